"""The pages that follow from the chapters: who reads what, and for how long."""

import inspect
import json
import re
from collections import Counter
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from xml.etree import ElementTree

import pytest
import torch

from attention_lib.advice.questions import members, paths
from attention_lib.catalog import FAMILIES, catalog, every_card, find
from attention_lib.official import published, without
from tools.chapters import chapters
from tools.pages import reading
from tools.pages.authors import authors_blocks, authors_page
from tools.pages.map import LETTER, WIDTH, drawing
from tools.pages.markdown import sentence
from tools.pages.mechanism import mechanism_page as written
from tools.pages.typeset import mathematics

mechanism_page = cache(written)
SAYS = "# {title}: of what\n\n**You need** time. Reading takes\nabout {minutes} minutes; more.\n"


@pytest.fixture
def root(tmp_path):
    """A book of three chapters, one of which was never executed."""
    (tmp_path / "book/chapters").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    for name, minutes in (("start", 40), ("channel", 60), ("dense", 50)):
        text = SAYS.format(title=name.title(), minutes=minutes)
        (tmp_path / f"book/chapters/{name}.md").write_text(text)
        if name != "dense":
            (tmp_path / f"notebooks/{name}.ipynb").touch()
    toc = "- file: notebooks/start\n- file: notebooks/dense\n- file: notebooks/channel\n"
    (tmp_path / "_toc.yml").write_text(toc)
    return tmp_path


def rows(text):
    """Reader -> (the chapters it links to, the minutes)."""
    found = re.findall(r"^\* - (.*)\n  - (.*)\n  - (.*)$", text, flags=re.M)
    return {who: (re.findall(r"notebooks/(\w+)\.ipynb", what), long) for who, what, long in found}


def test_paths_sum_the_minutes_of_the_chapters_that_there_are(root):
    found = rows(reading.paths_table(root))
    assert list(found) == ["Reader", *reading.PATHS]
    assert found["Vision engineer"] == (["start", "channel"], "100")
    assert found["Language-model engineer"] == (["start"], "40")
    assert "[Start](../notebooks/start.ipynb), [Channel]" in reading.paths_table(root)


def test_a_chapter_that_does_not_say_its_minutes_is_named(root):
    (root / "book/chapters/start.md").write_text("# Start\n\nReading takes a while.\n")
    with pytest.raises(ValueError, match=r"start\.md does not say"):
        reading.paths_table(root)


def test_students_read_all_in_the_order_of_the_contents(root):
    assert rows(reading.paths_table(root))["Student"] == (["start", "channel"], "100")
    (root / "notebooks/dense.ipynb").touch()
    assert rows(reading.paths_table(root))["Student"] == (["start", "dense", "channel"], "150")


@pytest.mark.whole_catalog
def test_every_chapter_is_in_the_contents():
    """And so on the path of students; `tools.new chapter` enters it."""
    assert sorted(reading.in_order()) == [path.stem for path in chapters()], "edit _toc.yml"


def test_nobody_reads_a_chapter_twice():
    for names in filter(None, reading.PATHS.values()):
        assert len(set(names.split())) == len(names.split())
        assert names.startswith("start ")


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_every_chapter_says_its_minutes(chapter):
    assert 10 <= reading.minutes(chapter) <= 120


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_says_from_where_weights_load(card):
    _, _, told = mechanism_page(card).partition("## Published weights")
    told, _, _ = told.partition("\n## ")
    for source in published(card):
        repository, commit, path = re.split("[@:]", source.source)
        assert f"(https://github.com/{repository}/blob/{commit}/{path})" in told
        assert source.needs in told
    assert ("There is no table" in told) == (not published(card))
    assert without(card) in told


def test_what_a_network_loads_is_its_evidence():
    for card in {*every_card()} - {*catalog()}:
        text = mechanism_page(card)
        assert "## Published weights" not in text and "**Published weights**" in text


def words(text):
    """The words of a page, without its formulas, marks and blanks."""
    text = re.sub(r":math:`[^`]*`|\$[^$\n]*\$", " ", text)
    return re.findall(r"[a-z]{3,}", text.lower())


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_a_docstring_reaches_its_page_whole(card):
    """No sentence is cut off, whatever line it wraps on."""
    text = mechanism_page(card)
    prose, _, _ = text.partition("## Source")
    docstring = re.sub(r"\.\. math::\n+(?: +.*\n)+", "", inspect.getdoc(card.mechanism))
    wanted = words(mathematics(docstring.replace("Args:", "").replace("Raises:", "")))
    arguments = set(inspect.signature(card.mechanism).parameters)
    missing = Counter(wanted) - Counter(words(prose))
    assert not set(missing) - arguments, missing


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_no_mathematics_is_left_as_it_is_typed(card):
    text, _, _ = mechanism_page(card).partition("## Source")
    plain = re.sub(r"(?s)```python.*?```|\$\$.*?\$\$|`[^`]*`|\$[^$\n]*\$|\(https?:\S+\)", "", text)
    assert not re.search(r"\b[A-Za-zα-ω]'?[_^]\w|\w // \w|:math:|\b[B-HJ-Z] [=≤×] ", plain)


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_the_example_runs_as_it_is_shown(card):
    """On the meta device: shapes alone."""
    [code] = re.findall(r"## Make one\n\n```python\n(.*?)```", mechanism_page(card), flags=re.S)
    names = {}
    with torch.device("meta"), redirect_stdout(StringIO()) as printed:
        exec(code, names)
    *_, promised = code.rstrip().splitlines()
    shape = printed.getvalue().strip().removeprefix("torch.Size([").removesuffix("])")
    assert promised == f"print(y.shape)  # ({shape})"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("the middle has C // r units.", "the middle has $⌊C / r⌋$ units."),
        ("C / S numbers to C / S // r, r;", "$C / S$ numbers to $⌊C / S / r⌋$, $r$;"),
        ("works on d_h = d / h features;", "works on $d_h = d / h$ features;"),
        ("A gate for a, I and `d_h`.", "A gate for a, I and `d_h`."),
        ("vectors r^H for a 3×3 map", "vectors $r^H$ for a 3×3 map"),
        ("(W₂ ReLU W₁, narrow)", r"($W_{2} \operatorname{ReLU} W_{1}$, narrow)"),
        ("a = u + LN(u)", r"$a = u + \operatorname{LN}(u)$"),
        ("of the (HW)² pairs", "of the $(HW)^{2}$ pairs"),
        ("1e-6 in DAT-B's code, i.e. T = ∞", "1e-6 in DAT-B's code, i.e. $T = ∞$"),
        (r"token :math:`w_s`: every s-th", "token $w_s$: every $s$-th"),
    ],
)
def test_the_mathematics_of_a_sentence_is_found(said, wanted):
    assert mathematics(said) == wanted


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_says_when_to_use_it(card):
    [told] = re.findall(r"## When to use it\n\n(.*?)\n## ", mechanism_page(card), flags=re.S)
    found = [path for path in paths() if card in members(path)]
    assert found
    for path in found:
        assert sentence(path.leaf.use) in told


def test_ratios_to_the_authors_are_shown_and_those_behind_named(tmp_path):
    folder = tmp_path / "book/results/cpu"
    folder.mkdir(parents=True)
    row = dict(
        arguments="channels: 8", input="1 × 8 × 7 × 7", layout="both channels first",
        repository="a/b", commit="0123456789", file="c.py", memory_ratio=2.0,
    )  # fmt: skip
    made = dict(processor="P", threads=1, cores=2, torch="2", date="2026-11-30T00:00:00", source={})
    rows = [
        dict(row, mechanism="SimAM", backward=True, time_ratio=1.5, low=1.4, high=1.6),
        dict(row, mechanism="DualAttention", backward=False, time_ratio=0.8, low=0.7, high=0.9,
             compiled=True, reason="a copy"),
    ]  # fmt: skip
    (folder / "peers-authors.json").write_text(json.dumps(dict(provenance=made, rows=rows)))
    told = authors_page(tmp_path)
    assert "Behind, by all quartiles: Dual Attention." in told
    assert "0.80 (0.70 to 0.90); behind: a copy" in told and "forward, compiled" in told
    assert "1.50 (1.40 to 1.60)\n" in told and "P, 1 of 2 cores, torch 2, 2026-11-30" in told
    assert "(https://github.com/a/b/blob/0123456789/c.py)" in told
    assert "## Beside the authors' code" in "\n".join(authors_blocks(find("simam"), tmp_path))
    assert not authors_blocks(find("se"), tmp_path)


def test_every_name_of_the_map_is_a_link_and_none_covers_another():
    root = ElementTree.fromstring(drawing())
    space = "{http://www.w3.org/2000/svg}"
    links = {a.get("href"): a.find(f"{space}text") for a in root.iter(f"{space}a")}
    boxes = []
    for card in catalog():
        text = links[f"api/{card.family}/{card}.html"]
        assert find(text.text) is card, "what create takes"
        x, y = float(text.get("x")), float(text.get("y"))
        right = x + LETTER * len(text.text)
        assert right <= WIDTH, f"{text.text} is cut off"
        for name, other_x, other_y, other_right in boxes:
            apart = abs(y - other_y) >= 12 or right < other_x - 10 or other_right < x - 10
            assert apart, f"{text.text} covers {name}"
        boxes.append((text.text, x, y, right))


def test_the_first_page_counts_the_families_that_have_a_chapter(root):
    told = reading.chapters_table(root)
    assert f"1 of the {len(FAMILIES)} families have a chapter so far: channel." in told
    assert told.count("[read it]") == 1


def test_three_doors_lead_on(root):
    (root / "_config.yml").write_text("repository: {url: https://github.com/some/fork}")
    told = reading.doors(root)
    assert "in 40 minutes" in told and "of 100 minutes" in told
    assert "colab.research.google.com/github/some/fork/blob/main/notebooks/start.ipynb" in told
