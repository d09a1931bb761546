"""What the build links and names in a book of a few pages, and what it refuses."""

import re
import subprocess
import sys

import pytest

from tests.support.looking import Anchors
from tools.chapters import ROOT, chapters
from tools.pages import reading

CONFIG = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
extensions = ["myst_parser", "sphinxcontrib.bibtex", "tools.site.anchors", "tools.site.links"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = [{str(ROOT / "book/references.bib")!r}]
bibtex_cite_id = "cite-{{key}}"
exclude_patterns = ["out"]
"""
CHAPTER = """# Gates: which feature matters?

Gates open by a query. A gate is `SqueezeExcitation`, not `Sequential`; the gates of a Query
Gate and a multi-gate are names.

## One gate

A *value* is read, and no value twice ([Hu](https://arxiv.org/abs/1709.01507)).

### The formula

$$ y = x . \\tag{1} $$

## Another: `SqueezeExcitation`

Softmax. Then [its softmax `SqueezeExcitation`](https://example.org) and [the formula](#one-gate).

### The formula

$$ y = 2x \\tag{2} $$

**Next**: *Gates*, *One*.
"""
PAGES = {
    "index": "# One\n\n```{toctree}\nnotebooks/gates\nbook/glossary\nbook/references\n"
    "book/api/channel/SqueezeExcitation\n```\n",
    "notebooks/gates": CHAPTER,
    "book/glossary": "# Terms\n\n```{glossary}\ngate\n  A factor.\n\nquery\n  A vector.\n\n"
    "value\n  Another.\n\nsoftmax\n  Shares.\n```\n",
    "book/references": "# Papers\n\n```{bibliography}\n:all:\n```\n",
    "book/api/channel/SqueezeExcitation": "# SE\n\n`SqueezeExcitation` is in *Gates*. A gate.\n",
}


def build(folder, **changed):
    """The built pages, and what Sphinx complains of."""
    for name, text in ({**PAGES, **changed}).items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "conf.py").write_text(CONFIG)
    command = [sys.executable, "-m", "sphinx", "-n", "-q", "-b", "html", folder, folder / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    return {name: (folder / f"out/{name}.html").read_text() for name in PAGES}, done.stderr


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    pages, complaints = build(tmp_path_factory.mktemp("book"))
    assert complaints == ""
    return pages


def links(text, kind):
    """(where to, what is linked) of each link of a kind."""
    found = re.findall(rf'<a class="{kind} reference internal" href="([^"]*)">(.*?)</a>', text)
    return [(href, re.sub("<.*?>", "", shown)) for href, shown in found]


def test_a_class_name_in_code_leads_to_its_page(book):
    page = "../book/api/channel/SqueezeExcitation.html"
    wanted = [(page, "SqueezeExcitation"), ("../index.html", "One")]
    assert links(book["notebooks/gates"], "page") == wanted
    assert links(book["book/api/channel/SqueezeExcitation"], "page") == [
        ("../../../notebooks/gates.html", "Gates")
    ]


def test_a_word_of_the_glossary_is_linked_where_a_chapter_first_uses_it(book):
    terms = {"Gates": "gate", "query": "query", "value": "value", "Softmax": "softmax"}
    wanted = [(f"../book/glossary.html#term-{term}", word) for word, term in terms.items()]
    assert links(book["notebooks/gates"], "term") == wanted
    assert "<em><a" in book["notebooks/gates"], "an everyday word: in italics alone"
    assert not links(book["book/api/channel/SqueezeExcitation"], "term")


def test_a_paper_leads_to_the_bibliography(book):
    place = "cite-hu2018squeeze"
    assert f'href="../book/references.html#{place}">Hu</a>' in book["notebooks/gates"]
    assert place in Anchors(book["book/references"]).places
    assert 'href="https://arxiv.org/abs/1709.01507"' in book["book/references"]


def test_equations_and_headings_have_names_of_their_own(book):
    found = Anchors(book["notebooks/gates"])
    wanted = {
        "equation-1",
        "equation-2",
        "one-gate-the-formula",
        "another-squeezeexcitation-the-formula",
    }
    assert wanted <= found.places
    assert not [place for place in found.places if re.fullmatch(r"id\d+", place or "")]
    assert {f"#{place}" for place in wanted} <= {*found.links}, "links to be copied"


def test_names_stay_when_a_part_is_put_before(book, tmp_path):
    before = "## First\n\n### The formula\n\n$$ z \\tag{7} $$\n\n## One gate\n"
    pages, complaints = build(
        tmp_path, **{"notebooks/gates": CHAPTER.replace("## One gate\n", before)}
    )
    assert complaints == ""
    former, now = (Anchors(each["notebooks/gates"]).places for each in (book, pages))
    assert now - former == {"first", "first-the-formula", "equation-7"} and not former - now


def test_two_places_of_one_name_are_refused(tmp_path):
    text = CHAPTER.replace("{2}", "{1}") + "\n## One gate\n\nAgain.\n"
    _, complaints = build(tmp_path, **{"notebooks/gates": text})
    for place, twice in (("#equation-1", "$$ y = 2x"), ("#one-gate", "## One gate")):
        line = 1 + text[: text.rindex(twice)].count("\n")
        wanted = f"gates\\.md:{line}: WARNING: two places of this page would be {place};"
        assert re.search(wanted, complaints), complaints


def named_next(chapter):
    """The chapters that the paragraph after "Next" names, and its line."""
    text = chapter.read_text(encoding="utf-8")
    before, _, after = text.partition("\n**Next**")
    short = {reading.title(path): path.stem for path in chapters()}
    found = re.findall(
        r"(?<!\*)\*([^*]+)\*(?!\*)|/?(\w+)\.(?:html|ipynb)", after.partition("\n\n")[0]
    )
    names = [short.get(" ".join(title.split()), name) for title, name in found]
    return [name for name in names if name in short.values()], before.count("\n") + 2


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_next_is_what_comes_next(chapter):
    """The button of the page leads on in the order of _toc.yml; the text may not say otherwise."""
    order, (named, line) = reading.in_order(), named_next(chapter)
    after = [*order[order.index(chapter.stem) + 1 :], None][0]
    assert not named or after in (named[0], None), (
        f"{chapter.name}, line {line}: Next names {named[0]!r} first; in _toc.yml comes {after!r}"
    )
