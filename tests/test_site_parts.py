"""What the site does to a page beyond Jupyter Book, on pages of a few nodes."""

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from tools.chapters import site
from tools.folds import TITLE
from tools.site import diagrams, folds, home, light, reading


def cell(tag: str, text: str) -> nodes.container:
    return nodes.container("", nodes.literal_block(text, text), classes=["cell", f"tag_{tag}"])


def test_the_set_up_becomes_one_fold():
    page = new_document("page")
    page += [cell("parameters", "a"), cell("install", "b"), nodes.paragraph(text="c")]
    page += [cell("setup", "d"), cell("solution", "e")]
    folds.join_set_up(None, page)
    assert [child.astext() for child in page.children] == ["a\n\nb\n\nd", "c", "e"]


def test_a_page_without_set_up_is_left_as_it_is():
    page = new_document("page")
    page += cell("figure", "a")
    folds.join_set_up(None, page)
    assert page.astext() == "a"


def test_colabs_title_is_not_shown():
    page = new_document("page")
    page += [cell("figure", f"{TITLE}Code of this figure\nx = 1\ny = 2"), cell("check", "z = 3")]
    folds.drop_titles(None, page)
    programs = [*page.findall(nodes.literal_block)]
    assert [program.astext() for program in programs] == ["x = 1\ny = 2", "z = 3"]
    assert [program.rawsource for program in programs] == ["x = 1\ny = 2", "z = 3"]


def table(rows: int) -> nodes.table:
    body = nodes.tbody("", *(nodes.row() for _ in range(rows)))
    return nodes.table("", nodes.tgroup("", body))


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


@pytest.mark.parametrize(
    ("output", "folds"),
    [
        ([table(reading.LONG)], 1),
        ([table(reading.LONG - 1)], 0),
        ([raw("<details><summary>All</summary>"), table(reading.LONG), raw("</details>")], 1),
        ([raw("<details>"), raw("</details>"), table(reading.LONG)], 2),
    ],
)
def test_a_long_table_has_one_fold(output, folds):
    page = new_document("page")
    page += nodes.container("", *output, classes=["cell_output"])
    reading.mark_tables(None, page, "page")
    assert "".join(node.astext() for node in page.findall(nodes.raw)).count("<details>") == folds
    [shown] = page.findall(nodes.table)
    assert ("sortable" in shown["classes"]) == bool(folds)


def link(address: str, pages: tuple[str, ...] = ("book/intro", "notebooks/dense")) -> str:
    """Where a link on the page notebooks/dense leads."""
    page = new_document("page")
    page += nodes.reference("", "here", refuri=address)
    app = SimpleNamespace(
        env=SimpleNamespace(found_docs={*pages}),
        config=SimpleNamespace(root_doc="book/intro"),
        builder=SimpleNamespace(get_relative_uri=lambda start, end: f"{start} to {end}"),
    )
    home.lead_home(app, page, "notebooks/dense")
    return page[0]["refuri"]


@pytest.mark.parametrize(
    ("address", "leads"),
    [
        (f"{site()}/book/intro.html", "notebooks/dense to book/intro"),
        (f"{site()}/book/intro.html#why", "notebooks/dense to book/intro#why"),
        (f"{site()}/", "notebooks/dense to book/intro"),
        (site(), "notebooks/dense to book/intro"),
        (f"{site()}-other/book/intro.html", f"{site()}-other/book/intro.html"),
        ("https://arxiv.org/abs/1", "https://arxiv.org/abs/1"),
    ],
)
def test_a_link_to_the_site_leads_from_page_to_page(address, leads):
    assert link(address) == leads


def test_a_link_to_a_page_that_is_not_there_is_a_warning(monkeypatch):
    told = []
    logger = SimpleNamespace(warning=lambda text, *named, **_: told.append(text % named))
    monkeypatch.setattr(home.logging, "getLogger", lambda name: logger)
    link(f"{site()}/book/nothing.html")
    assert told == ["there is no page 'book/nothing' on the site"]


def test_a_page_carries_no_mark_without_a_colour_and_asks_for_one_icon_font():
    program = '<span class="n">y</span> <span class="o">=</span> <span class="p">(</span>x'
    buttons = [{"type": "group", "icon": "fab fa-github", "buttons": [{"icon": "fas fa-code"}]}]
    context = {"body": program, "header_buttons": buttons}
    light.lighten(None, "page", "page.html", context, None)
    assert context["body"] == 'y <span class="o">=</span> (x'
    assert [buttons[0]["icon"], buttons[0]["buttons"][0]["icon"]] == [
        *("fas fa-code-branch", "fas fa-code")
    ]


def test_a_diagram_stands_in_the_page_where_no_search_reads_it():
    raw = '<figure class="flow">\n<svg class="flow"><text>squash</text></svg>\n</figure>'
    page = new_document("page")
    page += [nodes.raw("", raw, format="html"), nodes.raw("", "<p>", format="html")]
    diagrams.put_in_diagrams(SimpleNamespace(builder=SimpleNamespace(format="html")), page, "page")
    drawn, other = page.children
    assert drawn["html"] == f'<div class="diagram">{raw}</div>' and drawn.astext() == ""
    assert other.astext() == "<p>"
