"""The set-up of a chapter is folded, and opens to what it holds."""

import pytest

pytestmark = pytest.mark.alone


def test_the_set_up_opens_to_the_machine_it_ran_on(page, address):
    page.goto(f"{address}/notebooks/start.html", wait_until="domcontentloaded")
    stamp = page.locator("details:first-of-type .cell_output p").first
    assert not stamp.is_visible()
    page.locator("summary", has_text="Set-up").click()
    assert stamp.is_visible() and "torch" in stamp.inner_text()
