"""Code, tables and printed pages read well at every width."""

import re

import pytest

from tests.support.looking import NARROW

pytestmark = pytest.mark.alone


def test_what_scrolls_on_a_phone_shows_it(page, address):
    page.set_viewport_size(NARROW)
    page.goto(f"{address}/notebooks/dense.html", wait_until="load")
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready.then(() => 0))")
    page.wait_for_timeout(300)
    wide = page.evaluate("""() => [...document.querySelectorAll("div.math")]
      .filter((box) => box.scrollWidth > box.clientWidth)
      .map((box) => [box.classList.contains("scrolls"), box.tabIndex])""")
    assert wide and all(shown == [True, 0] for shown in wide)


def test_a_long_table_of_a_chapter_is_folded_sorted_and_filtered(page, address):
    page.goto(f"{address}/notebooks/peers.html", wait_until="load")
    fold = page.locator("details:has(table.long)").last
    assert fold.locator("xpath=ancestor::details").count() == 0, "folded once"
    table = fold.locator("table.long")
    summary = fold.locator("summary")
    assert not table.is_visible() and re.fullmatch(r"All \d+ ratios", summary.inner_text())
    summary.click()
    rows = table.locator("tbody tr:visible")
    total = rows.count()
    assert total >= 16
    right = "(e) => e.getBoundingClientRect().right"
    assert table.evaluate(right) <= fold.evaluate(right) + 1, "the last column is seen"
    fold.get_by_label("Filter").fill("squeeze")
    assert 0 < rows.count() < total
    fold.get_by_label("Filter").fill("")
    head = table.locator("thead th button").last
    head.click()
    numbers = [float(t) for t in table.locator("tbody tr td:last-child").all_inner_texts()]
    assert numbers == sorted(numbers) and len(set(numbers)) > 1


def test_on_a_phone_the_status_has_no_column_of_two_letter_lines(page, address):
    page.set_viewport_size(NARROW)
    page.goto(f"{address}/book/status.html", wait_until="load")
    lines = page.locator("table td, table th").evaluate_all(
        "all => all.filter((c) => c.checkVisibility() && c.innerText.trim())"
        ".map((c) => [c.innerText.length, c.offsetHeight, c.offsetWidth])"
    )
    thin = [cell for cell in lines if cell[2] < 100 and cell[1] > 80]
    assert lines and not thin


@pytest.mark.parametrize("name", ["notebooks/channel.html", "book/mechanisms.html"])
def test_a_printed_page_begins_with_its_title_and_leaves_nothing_out(page, address, name):
    page.goto(f"{address}/{name}", wait_until="load")
    page.emulate_media(media="print")
    seen = page.evaluate("""() => [...document.querySelectorAll(
        "nav, header, footer, .bd-sidebar-primary, .bd-sidebar-secondary, #jb-print-docs-body,"
        + " .prev-next-area, .copybtn")]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height)
      .map((e) => e.outerHTML.slice(0, 80))""")
    assert seen == []
    assert page.locator("article h1").first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shut = page.locator(".bd-article details:not([open])")
    assert shut.all_inner_texts() == ["Set-up"] * ("notebooks" in name), "the idea comes first"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    whole = page.evaluate("""() => [...document.querySelectorAll("div.cell, .highlight, details")]
      .filter((e) => getComputedStyle(e).breakInside !== "auto").length""")
    assert whole == 0, "code may break across pages"
