"""A chapter's page begins with its idea, and its folds say what they hold."""

import re

import pytest

from tests.support.looking import WIDE
from tools.chapters import chapters
from tools.folds import FOLDS

pytestmark = pytest.mark.alone
FOLD_LINE = 700  # pixels: what a laptop shows of a page at once

# Of what is seen: where the first sentence below "In one minute" begins, and programs above it.
FIRST = """() => {
  const heading = [...document.querySelectorAll("h2")]
    .find((found) => found.innerText.startsWith("In one minute"));
  const sentence = heading.parentElement.querySelector(":scope > p");
  const top = sentence.getBoundingClientRect().bottom + scrollY;
  const above = [...document.querySelectorAll(".bd-article pre")]
    .filter((code) => code.checkVisibility() && code.getBoundingClientRect().top + scrollY < top);
  const folds = [...document.querySelectorAll(".bd-article details")]
    .filter((fold) => fold.getBoundingClientRect().top + scrollY < top);
  return [top, above.length, folds.map((fold) => fold.querySelector("summary").innerText.trim())];
}"""
TITLES = """() => [...document.querySelectorAll(".cell details.hide > summary")].map(
  (summary) => [summary.innerText.trim(), summary.getAttribute("aria-label")])"""


@pytest.fixture(params=chapters(), ids=lambda path: path.stem)
def opened(request, page, address):
    """A chapter's page, as soon as it is laid out."""
    page.set_viewport_size(WIDE)
    page.goto(f"{address}/notebooks/{request.param.stem}.html", wait_until="domcontentloaded")
    return page


def test_a_page_begins_with_a_sentence_and_its_folds_say_what_they_hold(opened):
    top, programs, folds = opened.evaluate(FIRST)
    assert top < FOLD_LINE and not programs and folds == ["Set-up"]
    titles = opened.evaluate(TITLES)
    wanted = "|".join(fold.title.replace("N", r"\d+") for fold in FOLDS.values())
    wanted += "|Code of this table|Code of this listing"
    assert not [title for title, _ in titles if not re.fullmatch(wanted, title)]
    assert not any(label for _, label in titles), "a label would hide the title"
    assert sum(title == "Set-up" for title, _ in titles) == 1
    assert not opened.evaluate("document.body.innerText.includes('#@title')")
    (stamp,) = opened.locator("details:first-of-type .cell_output p").all()[:1]
    assert not stamp.is_visible()
    opened.locator("summary", has_text="Set-up").click()
    assert stamp.is_visible() and "torch" in stamp.inner_text()
