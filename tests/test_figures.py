"""A figure of a notebook: words are written into it, and the site gives it a place in the page."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document

from attention_lib.teaching import plot
from tools.alternatives import describe
from tools.site import figures

matplotlib.use("agg")

WORDS = 'what "it" looks at: 1 < 2 & more'


@pytest.fixture(scope="module")
def html() -> str:
    return plot.bars({"one": {"a": 0.2, "b": 0.9}, "two": {"a": 0.1, "b": 0.3}}).html()


def described(html: str, alt: str = WORDS) -> str:
    output = nbformat.v4.new_output("display_data", {"text/html": html})
    cell = nbformat.v4.new_code_cell("x", metadata={"mystnb": {"image": {"alt": alt}}})
    cell.outputs = [output, nbformat.v4.new_output("stream", text="printed")]
    describe(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("prose"), cell]))
    return output.data["text/html"]


def page(*contents: str) -> nodes.document:
    found = new_document("page")
    found += [nodes.raw("", text, format="html") for text in contents]
    return found


def placed(*contents: str, builder: str = "html") -> list[nodes.Node]:
    app = SimpleNamespace(builder=SimpleNamespace(format=builder))
    document = page(*contents)
    figures.put_in_figures(app, document, "page")
    return list(document.children)


def test_words_are_written_into_the_figure_and_nowhere_else(html):
    once = described(html)
    assert once == html.replace('alt=""', 'alt="what &quot;it&quot; looks at: 1 &lt; 2 &amp; more"')
    assert described(once) == once
    assert described(once, "other words") == html.replace('alt=""', 'alt="other words"')
    table = '<table><tr><td><img alt="" src="a.png"></td></tr></table>'
    assert described(table) == table


def test_a_figure_stands_in_the_page_with_its_words_and_colours_that_the_page_can_set(html):
    [figure] = placed(described(html))
    svg = ElementTree.fromstring(figure["html"])[0]
    assert (svg.get("role"), svg.get("aria-label")) == ("img", WORDS)
    assert svg.get("style") == f"--wide: {svg.get('width')}"
    plain = re.sub(r"var\(--drawn-(\w{6}), #\1\)", "", figure["html"])
    assert plain != figure["html"] and not re.search(r"#[0-9a-f]{6}\b", plain)


def test_two_figures_of_a_page_share_no_id(html):
    first, second = (node["html"] for node in placed(described(html), described(html)))
    ids = [set(re.findall(r' id="([^"]*)"', text)) for text in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    for own, text in zip(ids, (first, second), strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([^")]+)', text)) == own


def test_what_is_no_figure_and_what_is_no_page_of_the_site_stay_as_they_are(html):
    assert placed("<table></table>")[0].astext() == "<table></table>"
    assert placed(html, builder="latex")[0].astext() == html


def test_a_figure_without_words_is_a_warning(html, monkeypatch):
    said = []
    logger = SimpleNamespace(warning=lambda text, *given, **where: said.append(text % given))
    monkeypatch.setattr(figures.logging, "getLogger", lambda name: logger)
    placed(described(html), html)
    assert said == ["figure 2 has no text alternative; say in it what is to be seen"]
