"""The page *Which one?* ranks as the library does, for every reader."""

from dataclasses import asdict

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from attention_lib.advice import Need, questions, recommend
from attention_lib.advice.ranking import ORDERS
from attention_lib.advice.traits import can_be_causal
from attention_lib.catalog import catalog
from tests.support.looking import WIDE, axe, dress
from tools.selection import STATIC

pytestmark = pytest.mark.alone

OVERFLOW = """() => [...document.querySelectorAll("svg.flowchart text")].filter((text) => {
  const inner = text.getBBox();
  const rect = text.closest("g").querySelector("rect");
  const outer = rect ? rect.getBBox() : text.ownerSVGElement.viewBox.baseVal;
  return inner.x < outer.x || inner.x + inner.width > outer.x + outer.width
      || inner.y < outer.y || inner.y + inner.height > outer.y + outer.height;
}).map((text) => text.textContent)"""
NEEDS = [
    Need("maps", 256, height=56, width=56),
    Need("maps", 64, height=33, width=20, batch=3, task="far", dtype="bfloat16"),
    Need("maps", 1024, height=14, width=14, task="gate", backward=True),
    Need("maps", 30, height=7, width=5),
    Need("maps", 128, height=128, width=96, memory=2**24),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 512, tokens=16384, memory=2**26, backward=True),
    Need("tokens", 96, tokens=77, causal=True, batch=2),
    Need("tokens", 320, tokens=300, padding=True, task="linear"),
    Need("tokens", 768, tokens=197, task="pairs", dtype="float64"),
]


@pytest.fixture
def which(page, address):
    page.goto(f"{address}/book/selection.html", wait_until="load")
    page.wait_for_function("window.attentionSelection")
    return page


RANKINGS = [(need, "macs") for need in NEEDS]
RANKINGS += [(need, by) for need in (NEEDS[0], NEEDS[5]) for by in ORDERS[1:]]


@pytest.mark.parametrize(("need", "by"), RANKINGS, ids=str)
def test_the_script_ranks_as_the_library_does(which, need, by):
    asked = asdict(need) | {"by": by, "tokens": need.places, "memory": need.memory or 0}
    found = which.evaluate(
        """(need) => {
          const { choices, left } = attentionSelection.recommend(attentionSelection.data, need);
          return { left: left.map((l) => l.mechanism.name), choices: choices.map((c) =>
            [c.mechanism.name, c.params, c.macs, c.memory, c.bytes, c.measured?.seconds ?? null,
             c.path.slugs.join(" ")]) };
        }""",
        asked,
    )
    advice = recommend(need, by)
    assert found["choices"] == [
        [c.name, c.params, c.macs, c.memory, c.bytes, c.measured and c.measured.seconds,
         " ".join(c.path.slugs)]
        for c in advice.choices
    ]  # fmt: skip
    assert found["left"] == [str(card) for card, _ in advice.left_out]


def test_no_text_of_the_flow_chart_leaves_its_box(which):
    assert which.evaluate(OVERFLOW) == []
    which.evaluate("document.querySelector('svg.flowchart rect').setAttribute('width', 60)")
    assert which.evaluate(OVERFLOW) == [questions.TREE.text], "a box too small was not seen"


def test_a_choice_is_made_by_keyboard_told_and_shared(which, chromium):
    form = which.locator("#selection")
    form.get_by_label("What comes in").focus()
    which.keyboard.press("ArrowDown")
    form.get_by_label("Tokens", exact=True).focus()
    which.keyboard.press("Control+a")
    which.keyboard.type("4096")
    form.get_by_label("Causal").focus()
    which.keyboard.press("Space")
    causal = [card for card in catalog() if can_be_causal(card)]
    assert form.locator("tbody tr").count() == len(causal)
    assert form.get_by_role("status").inner_text().startswith(f"{len(causal)} of ")
    assert form.get_by_label("Task").is_disabled(), "where an order is kept nothing else is asked"
    assert not form.get_by_label("Height").is_visible()
    assert "tokens=4096" in which.url and "causal=1" in which.url and "height" not in which.url
    shared = chromium.new_page(viewport=WIDE)
    shared.goto(which.url, wait_until="load")
    assert shared.get_by_label("Tokens", exact=True).input_value() == "4096"
    wanted = form.locator("tbody").inner_text()
    assert shared.locator("#selection tbody").inner_text() == wanted
    shared.close()


def test_nonsense_in_the_form_is_told(which):
    form = which.locator("#selection")
    told = form.get_by_role("status")
    height = form.get_by_label("Height")
    for value in ("0", "", "3.5", "99999"):
        height.fill(value)
        assert told.inner_text().startswith(f"Please correct: height={value or 'nothing'} must be")
        assert form.locator("table").count() == 0
        assert height.get_attribute("aria-invalid") == "true"
    height.fill("8")
    assert form.locator("table").count() == 1
    form.get_by_label("Memory").fill("-1")
    assert told.inner_text().startswith("Please correct: the memory must be")
    form.get_by_label("Task").select_option("scores")
    form.get_by_label("Memory").fill("0.0001")
    assert told.inner_text().startswith("None of ")
    assert "its largest tensor alone takes" in form.text_content()


def test_a_forged_address_does_no_harm(which, address):
    query = "layout=<b>&height=x&task=nothing&by=nothing&nobody=1&dtype=int8&features=64"
    which.goto(f"{address}/book/intro.html")
    which.goto(f"{address}/book/selection.html#{query}", wait_until="load")
    form = which.locator("#selection")
    assert form.get_by_label("What comes in").input_value() == "maps"
    assert form.get_by_label("Channels").input_value() == "64"
    assert form.get_by_label("Numbers").input_value() == "float32"
    assert form.get_by_role("status").inner_text().startswith("Please correct: height=nothing")


def test_axe_finds_nothing_in_an_opened_ranking(which):
    which.evaluate(AXE_SCRIPT)
    for layout in ("tokens", "maps"):
        which.locator("#selection").get_by_label("What comes in").select_option(layout)
        which.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        for theme in ("light", "dark"):
            dress(which, theme)
            assert axe(which) == []


def test_the_page_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/selection.html")
    assert "The form needs JavaScript" in page.locator("#selection").inner_text()
    rankings = page.locator("table.ranking").all()
    assert len(rankings) == len(STATIC)
    for ranking, need in zip(rankings, STATIC, strict=True):
        names = ranking.locator("tbody tr td:first-child").all_text_contents()
        choices = recommend(need).choices
        assert [name.strip() for name in names] == [choice.card.title for choice in choices]
    uses = page.locator("table.uses tbody tr").all_text_contents()
    assert all(card.title in text for card, text in zip(catalog(), uses, strict=True))
    assert page.locator("svg.flowchart").is_visible()
    context.close()
