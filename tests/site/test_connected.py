"""On the built site, chapters lead to mechanisms, terms, papers and one another."""

import re
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup

from attention_lib.catalog import FAMILIES, catalog
from tests.support.looking import PAGES, anchors
from tools.chapters import ROOT, chapters
from tools.pages.library import rooms
from tools.pages.reading import in_order
from tools.site.links import papers

pytestmark = pytest.mark.alone

PAPERS = papers(ROOT / "book/references.bib")


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_chapter_leads_to_what_it_names(site, chapter):
    found = {*anchors(site / f"notebooks/{chapter.stem}.html").links}
    text = chapter.read_text(encoding="utf-8")
    family = catalog(chapter.stem) if chapter.stem in FAMILIES else []
    assert {f"../book/api/{card.family}/{card}.html" for card in family} <= found
    assert [link for link in found if link.startswith("../book/glossary.html#term-")]
    named = {*re.findall(r"https://arxiv.org/abs/\d+\.\d+", text)} & PAPERS.keys()
    assert not named & found
    assert {f"../book/references.html#cite-{PAPERS[address]}" for address in named} <= found


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_numbered_equations_and_headings_can_be_linked_to(site, chapter):
    places = anchors(site / f"notebooks/{chapter.stem}.html").places
    for number in re.findall(r"\\tag\{(\w+)\}", chapter.read_text(encoding="utf-8")):
        assert f"equation-{number}" in places
    text = (site / f"notebooks/{chapter.stem}.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section[^>]* id="([^"]*)"', text)
    assert len(sections) == len({*sections}) > 3
    assert not [name for name in sections if re.fullmatch(r"id\d+", name)]


def test_the_second_formula_of_a_chapter_has_a_name(site):
    places = anchors(site / "notebooks/channel.html").places
    assert "efficient-channel-attention-the-formula" in places


@pytest.mark.parametrize("name", PAGES)
def test_a_place_has_its_name_alone(site, name):
    page = BeautifulSoup((site / name).read_text("utf-8"), "html.parser")
    names = [element["id"] for element in page.select("main [id]")]
    assert not {each for each in names if names.count(each) > 1}


def test_the_button_leads_on_in_the_order_of_the_contents(site):
    for one, other in pairwise(in_order()):
        text = (site / f"notebooks/{one}.html").read_text(encoding="utf-8")
        assert re.search(rf'class="right-next"\s+href="{other}.html"', text)


@pytest.mark.parametrize("room", rooms())
def test_every_room_of_the_library_has_a_page(site, room):
    found = anchors(site / f"book/library/{room}.html").places
    assert f"module-attention_lib.{room}" in found
    assert len([place for place in found if (place or "").startswith(f"attention_lib.{room}")]) > 1
