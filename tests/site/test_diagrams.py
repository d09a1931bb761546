"""Diagrams stand on pages, are shown step by step, and are whole without scripts."""

import re

import pytest

from attention_lib.catalog import every_card, find
from attention_lib.teaching.diagrams import Diagram
from tests.support.looking import dress
from tools.chapters import chapters

pytestmark = pytest.mark.alone
SE = Diagram(find("se"))
PAGE = "book/api/channel/SqueezeExcitation.html"
OPACITY = """(drawing) => [...drawing.querySelectorAll("g[data-step]")]
  .map((part) => getComputedStyle(part).opacity)"""


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_a_mechanisms_page_has_its_diagram(site, card):
    text = (site / f"book/api/{card.family}/{card}.html").read_text("utf-8")
    assert text.count('<figure class="flow">') == 1
    assert Diagram(card).svg() in text


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_each_card_of_a_chapter_stands_below_its_diagram(site, path):
    source, page = path.read_text("utf-8"), site / f"notebooks/{path.stem}.html"
    names = re.findall(r'^display\.card\("([^"]*)"', source, flags=re.M)
    text = page.read_text("utf-8")
    assert text.count('<figure class="flow">') == len(names)
    assert all(Diagram(find(name)).svg() in text for name in names)


def test_a_slider_shows_one_step_after_the_other(page, address):
    page.goto(f"{address}/{PAGE}")
    drawing, slider = page.locator("figure.flow > svg"), page.locator(".steps input")
    assert drawing.evaluate(OPACITY) == ["1"] * 8, "two ends and six steps"
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    assert page.locator(".steps output").inner_text() == "What is given."
    assert drawing.evaluate(OPACITY) == ["1"] + ["0.12"] * 7
    for sentence in SE.sentences():
        page.keyboard.press("ArrowRight")
        assert page.locator(".steps output").inner_text() == sentence
        assert slider.get_attribute("aria-valuetext") == sentence
    page.wait_for_timeout(300)
    assert drawing.evaluate(OPACITY) == ["1"] * 8


def test_a_drawing_is_whole_without_scripts_and_on_paper(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{PAGE}")
    assert page.locator(".steps").count() == 0
    assert page.locator("figure.flow > svg").is_visible()
    page.emulate_media(media="print")
    assert page.locator("figure.flow > svg g").count() == 8
    context.close()


def test_what_is_dimmed_is_printed(page, address):
    page.goto(f"{address}/{PAGE}")
    page.locator(".steps input").focus()
    page.keyboard.press("Home")
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    assert page.locator("figure.flow > svg").evaluate(OPACITY) == ["1"] * 8
    assert not page.locator(".steps").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_drawing_has_the_colours_of_the_words_around_it(page, address, theme):
    page.goto(f"{address}/{PAGE}")
    dress(page, theme)
    ink = "(each) => getComputedStyle(each).color"
    drawing = page.locator("figure.flow > svg")
    assert drawing.evaluate(ink) == page.locator("article p").first.evaluate(ink)
    box = page.locator("figure.flow rect[rx='0']").first
    assert box.evaluate("(e) => getComputedStyle(e).stroke") == page.evaluate(
        "() => { const e = document.body.appendChild(document.createElement('i'));"
        " e.style.color = 'var(--pst-color-primary)'; return getComputedStyle(e).color; }"
    )
