"""Every reader finds the way in, the search and the theme."""

import pytest

from tests.support.looking import dress

pytestmark = pytest.mark.alone


def test_the_front_door_leads_to_the_first_page(page, address):
    page.goto(f"{address}/", wait_until="load")
    page.wait_for_url(f"{address}/book/intro.html")


def test_search_finds_squeeze(page, address):
    """By keyboard alone, from any page, and without a server."""
    page.goto(f"{address}/book/intro.html", wait_until="load")
    page.keyboard.press("Control+k")
    page.keyboard.type("squeeze")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=squeeze*")
    page.wait_for_selector("ul.search li a")
    hits = page.eval_on_selector_all("ul.search li a", "links => links.map(a => a.href)")
    assert any("api/channel/SqueezeExcitation.html" in hit for hit in hits), hits


def test_search_finds_nothing_where_there_is_nothing(page, address):
    page.goto(f"{address}/search.html?q=zyzzyva", wait_until="load")
    page.wait_for_selector("text=/did not match any|found 0/i")
    assert page.locator("ul.search li").count() == 0


def test_the_theme_can_be_changed_and_stays(page, address):
    page.goto(f"{address}/book/intro.html", wait_until="load")
    for _ in range(3):  # it goes round: system, light, dark
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
    page.goto(f"{address}/book/notation.html", wait_until="load")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_formulas_are_light_on_dark(page, address):
    page.goto(f"{address}/book/api/channel/SqueezeExcitation.html", wait_until="load")
    page.wait_for_selector("mjx-container")
    dress(page, "dark")
    color = page.eval_on_selector("mjx-container", "box => getComputedStyle(box).color")
    shades = [int(part) for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    assert min(shades) > 160, color
