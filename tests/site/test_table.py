"""The table of all mechanisms is complete, sorted and filtered."""

import pytest

from attention_lib.catalog import catalog

pytestmark = pytest.mark.alone


def test_the_table_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/mechanisms.html")
    shown = page.locator("table.mechanisms tbody tr:visible").all_inner_texts()
    context.close()
    assert len(shown) == len(catalog())
    for card, text in zip(catalog(), shown, strict=True):
        assert card.title in text and card.family in text and card.layout in text


def test_the_table_is_sorted_by_keyboard(page, address):
    page.goto(f"{address}/book/mechanisms.html", wait_until="load")
    heads = page.locator("table.mechanisms thead th")
    column = heads.all_inner_texts().index("Parameters")
    head, button = heads.nth(column), heads.nth(column).get_by_role("button")
    for order in ("ascending", "descending"):
        button.focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        cells = page.locator(f"table.mechanisms tbody td:nth-child({column + 1})").all_inner_texts()
        numbers = [int(cell.split()[0].replace(",", "")) for cell in cells]
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert len(set(numbers)) > 1
    assert page.locator("th[aria-sort]").count() == 1


def test_the_table_is_filtered(page, address):
    page.goto(f"{address}/book/mechanisms.html", wait_until="load")
    rows = page.locator("table.mechanisms tbody tr:visible")
    told = page.get_by_role("status")
    for control, value, wanted in [
        ("Layout", "tokens", [c for c in catalog() if c.layout == "tokens"]),
        ("Family", "channel", [c for c in catalog() if c.family == "channel"]),
        ("Properties", "only attenuates",
         [c for c in catalog() if "only_attenuates" in {p.__name__ for p in c.properties}]),
    ]:  # fmt: skip
        page.get_by_label(control).select_option(value)
        assert rows.count() == len(wanted) > 0
        assert told.inner_text() == f"{len(wanted)} of {len(catalog())} mechanisms"
        page.get_by_label(control).select_option("")
    page.get_by_label("Filter").fill("eCaNet")
    assert rows.count() == 1 and "Efficient Channel" in rows.inner_text()
    page.get_by_label("Filter").fill("no such mechanism")
    assert rows.count() == 0 and told.inner_text().startswith("0 of")
