"""The table of all mechanisms is complete, sorted, filtered, and headed by family."""

import pytest

from attention_lib.catalog import FAMILIES, catalog
from tests.support.looking import NARROW
from tools.pages.mechanisms import asks

pytestmark = pytest.mark.alone
ROWS = "table.mechanisms tbody tr:not(.heading):visible"
HEADINGS = "table.mechanisms tr.heading:visible"


def test_the_table_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/mechanisms.html")
    shown = page.locator(ROWS).all_inner_texts()
    headings = page.locator(HEADINGS).all_inner_texts()
    context.close()
    assert len(shown) == len(catalog())
    for card, text in zip(catalog(), shown, strict=True):
        assert card.title in text and card.layout in text
    questions = [asks(family)[1] for family in FAMILIES if catalog(family)]
    assert len(headings) == len(questions)
    assert all(asked in text for asked, text in zip(questions, headings, strict=True))


@pytest.fixture
def table(page, address):
    page.goto(f"{address}/book/mechanisms.html", wait_until="load")
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready.then(() => 0))")
    return page


def test_the_table_is_sorted_by_keyboard(table):
    heads = table.locator("table.mechanisms thead th")
    column = heads.all_inner_texts().index("Parameters")
    head, button = heads.nth(column), heads.nth(column).get_by_role("button")
    before = table.locator(ROWS).all_inner_texts()
    for order in ("ascending", "descending"):
        button.focus()
        table.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        assert table.locator(HEADINGS).count() == 0, "the rows are one list"
        cells = table.locator(f"table.mechanisms tbody td:nth-child({column + 1})")
        numbers = [int(n) for n in cells.evaluate_all("all => all.map((c) => c.dataset.value)")]
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert len(set(numbers)) > 1
    assert table.locator("th[aria-sort]").count() == 1
    table.keyboard.press("Enter")
    assert table.locator(ROWS).all_inner_texts() == before
    assert table.locator(HEADINGS).count() > 1, "the families are back"


def test_the_table_is_filtered(table):
    rows, told = table.locator(ROWS), table.get_by_role("status")
    for control, value, wanted in [
        ("Layout", "tokens", [c for c in catalog() if c.layout == "tokens"]),
        ("Family", asks("channel")[0], catalog("channel")),
        ("Holds", "only attenuates",
         [c for c in catalog() if "only_attenuates" in {p.__name__ for p in c.properties}]),
    ]:  # fmt: skip
        table.get_by_label(control).select_option(value)
        assert rows.count() == len(wanted) > 0
        assert told.inner_text() == f"{len(wanted)} of {len(catalog())} mechanisms"
        table.get_by_label(control).select_option("")
    table.get_by_label("Filter").fill("eCaNet")
    assert rows.count() == 1 and "Efficient Channel" in rows.inner_text()
    assert table.locator(HEADINGS).count() == 1
    table.get_by_label("Filter").fill("memory")
    assert 0 < rows.count() < len(catalog()) / 4, "in names and descriptions, not in every row"
    table.get_by_label("Filter").fill("no such mechanism")
    assert rows.count() == 0 and told.inner_text().startswith("0 of")


def test_a_row_is_low_and_whole_at_1280(table):
    """The last column is seen without scrolling, and a row has two or three lines."""
    box = table.locator(".pst-scrollable-table-container").first
    assert box.evaluate("(b) => b.scrollWidth <= b.clientWidth")
    heights = table.locator(ROWS).evaluate_all("all => all.map((r) => r.offsetHeight)")
    assert max(heights) < 110 and sorted(heights)[len(heights) // 2] < 70, heights


def test_on_a_phone_each_row_is_a_block(table):
    table.set_viewport_size(NARROW)
    row = table.locator(ROWS).first
    assert "Parameters: " in row.locator("td[data-label=Parameters]").evaluate(
        "(c) => getComputedStyle(c, '::before').content"
    )
    assert row.evaluate("(r) => r.scrollWidth <= innerWidth")
