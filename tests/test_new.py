"""Five steps are five steps: what `tools.new` begins runs, is proven and has its pages.

In a copy of the repository, one mechanism is added to the fullest family and one to a new family.
Nothing else is edited, and all that would fail because of them passes.
"""

import os
import subprocess
import sys
from collections import Counter
from shutil import copyfile

import pytest

from attention_lib.catalog import catalog
from tests.support.rules import complaints
from tools import names, new
from tools.chapters import EVERYWHERE, ROOT, as_notebook

FULLEST = Counter(card.family for card in catalog()).most_common(1)[0][0]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The files that git knows or would add, elsewhere."""
    folder = tmp_path_factory.mktemp("copy")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, told.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copyfile(ROOT / name, folder / name)
    return folder


def say(folder, *arguments, fails=False):
    """What Python prints there, of a module and its arguments."""
    surroundings = {**os.environ, "CI": "", "PYTHONPATH": "", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder, capture_output=True, text=True, env=surroundings,
    )  # fmt: skip
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.timeout(900)
def test_a_mechanism_is_added_by_its_stubs_alone(copy):
    say(copy, "tools.new", "mechanism", FULLEST, "NinthGate")
    begun = ["memory", "RWKV7", "--layout", "tokens", "--question", "what to remember?"]
    say(copy, "tools.new", "mechanism", *begun)
    say(copy, "ruff", "check", "attention_lib", "tests", "tools")
    say(copy, "ruff", "format", "--check", "attention_lib", "tests", "tools")
    one, two = (say(copy, "tools.names", name).strip() for name in ("NinthGate", "rwkv7"))
    told = say(copy, "pytest", "-q", "-m", "not alone and not slow", "-k", f"{one} or {two}",
               "-p", "no:cacheprovider")  # fmt: skip
    assert " passed" in told and "failed" not in told
    assert (copy / "tests/counts/memory/rwkv7.json").exists()
    say(copy, "tools.pages")
    for page in (f"{FULLEST}/NinthGate", "memory/RWKV7"):
        assert (copy / f"book/api/{page}.md").exists()
        assert f"api/{page}.md" in (copy / "book/mechanisms.md").read_text("utf-8")
    whole = (copy / "book/mechanisms.md").read_text("utf-8")
    _, *rows = whole.split("\n* - ")  # of its second table
    added = [row for row in rows if "NinthGate" in row or "RWKV7" in row]
    assert len(added) == 2 and all("not measured" in row for row in added)


def test_what_is_forgotten_is_named(copy):
    """A name in `__all__`, a paper: the message says what to do."""
    say(copy, "tools.new", "mechanism", "spatial", "Forgotten")
    family = copy / "attention_lib/spatial/__init__.py"
    whole = family.read_text("utf-8")
    family.write_text(whole.replace('    "Forgotten",\n', ""))
    told = say(copy, "tools.names", "forgotten", fails=True)
    assert "Forgotten is not in its family's __all__: import and list it in attention_lib/" in told
    family.write_text(whole)
    papers = copy / "book/references.bib"
    papers.write_text(papers.read_text("utf-8").replace("@misc{forgotten,", "@misc{other,"))
    told = say(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_display.py",
               "-k", "Forgotten", fails=True)  # fmt: skip
    assert "no paper 'forgotten': add it to book/references.bib" in told


def test_a_chapter_is_begun_as_the_rules_have_it(tmp_path):
    (tmp_path / "book/chapters").mkdir(parents=True)
    before = (ROOT / "_toc.yml").read_text("utf-8")
    (tmp_path / "_toc.yml").write_text(before)
    file, contents = new.chapter("decoding", tmp_path)
    text = file.read_text("utf-8")
    assert "Reading takes about 20 minutes" in text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [*EVERYWHERE] and len(as_notebook(text, {}).cells) > 3
    assert not complaints(text, "decoding", EVERYWHERE)
    added = {*contents.read_text("utf-8").splitlines()} - {*before.splitlines()}
    assert [line.strip() for line in added] == ["- file: notebooks/decoding"]
    with pytest.raises(ValueError, match=r"decoding\.md is there already"):
        new.chapter("decoding", tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("GlobalContext", "global_context"), ("RWKV7", "rwkv7"), ("MLA", "mla"), ("ACMix", "ac_mix"),
     ("Mamba", "mamba"), ("ViTBlock", "vi_t_block")],
)  # fmt: skip
def test_a_file_is_called_as_its_class(name, stem):
    assert new.stem_of(name) == stem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["channel", "global_context"], "no class name"),
        (["channel", "SqueezeExcitation"], "is there already"),
        (["core", "Gate"], "attention_lib/core is no family; there are dense"),
        (["memory", "Gate"], "the family memory is new: say what it asks"),
        (["Recurrent", "Gate", "--question", "which?"], "no name of a family"),
        (["channel", "Gate", "--oracle", "Gate"], "must be a dotted name"),
    ],
)
def test_what_cannot_be_begun_is_refused(arguments, said):
    with pytest.raises(SystemExit, match=said):
        new.main(["mechanism", *arguments])


def test_names_select_the_mechanism_and_the_whole_catalog():
    wanted = "SqueezeExcitation or test_squeeze_excitation or whole_catalog"
    assert names.expression("se") == wanted
    assert names.expression("low_precision") == "low_precision"
