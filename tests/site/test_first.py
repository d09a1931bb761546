"""The first page: its map is read on a phone, walked by keyboard, and leads on."""

import pytest

from attention_lib.catalog import catalog

pytestmark = pytest.mark.alone


def test_the_map_is_readable_on_a_phone_and_in_the_dark(page, address):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}/book/intro.html", wait_until="load")
    heights = page.eval_on_selector_all(
        "svg.map .name", "names => names.map(n => n.getBoundingClientRect().height)"
    )
    assert len(heights) == len(catalog()) and min(heights) >= 10
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    color = page.eval_on_selector("svg.map .year", "text => getComputedStyle(text).fill")
    assert min(int(part) for part in color[4:-1].split(",")[:3]) > 160, color


def test_a_name_of_the_map_is_reached_and_followed_by_keyboard(page, address):
    page.goto(f"{address}/book/intro.html", wait_until="load")
    page.locator("svg.map a[aria-label^='Squeeze-and-Excitation']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/api/channel/SqueezeExcitation.html")


def test_three_doors_stand_above_the_fold(page, address):
    page.goto(f"{address}/book/intro.html", wait_until="load")
    bottoms = page.eval_on_selector_all(
        ".door", "doors => doors.map(door => door.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 3 and max(bottoms) < 700


@pytest.mark.parametrize("name", ["CBAMBlock", "MUSEAttention", "EcaModule"])
def test_search_finds_the_class_of_another_collection(page, address, name):
    page.goto(f"{address}/search.html?q={name}", wait_until="load")
    page.wait_for_selector("ul.search li a")
    hits = page.eval_on_selector_all("ul.search li a", "links => links.map(a => a.href)")
    assert any("/book/from_" in hit for hit in hits), hits
