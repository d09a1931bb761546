"""The page *Which one?* counts as the library and the command line do, for every reader."""

import pytest

from attention_lib.advice import Need, questions, recommend
from attention_lib.advice.questions import paths
from attention_lib.advice.traits import can_be_causal
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import catalog
from attention_lib.cli.main import main
from tests.support.looking import WIDE, with_axe

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
    Need("maps", 64, height=33, width=20, batch=3, task="far"),
    Need("maps", 1024, height=14, width=14, task="gate"),
    Need("maps", 100, height=7, width=5),
    Need("maps", 128, height=128, width=96, task="near"),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 512, tokens=16384, task="linear"),
    Need("tokens", 96, tokens=77, causal=True, batch=2),
    Need("tokens", 320, tokens=300, padding=True, task="linear"),
    Need("tokens", 500, height=12, width=7),
]
SHOWN = """() => [...document.querySelectorAll("table.ranking tbody:not([hidden]) tr[data-key]")]
  .map((row) => [row.dataset.key.split(",")[0], row.querySelector(".changed").innerText.trim(),
    ...[...row.querySelectorAll("td")].map((c) => c.dataset.value ? Number(c.dataset.value)
                                                                  : c.innerText)])"""


@pytest.fixture
def which(page, address):
    page.goto(f"{address}/book/selection.html", wait_until="load")
    page.wait_for_function("window.attentionSelection")
    return page


def address_of(need):
    """The page's address for a need: the answers on the way to its task, and its size."""
    way = [need.layout] + ["causal"] * need.causal
    if need.task:
        slugs = next(p.slugs for p in paths() if need.admits(p))
        way = list(slugs[: slugs.index(need.task) + 1])
    elif need.layout == "tokens" and not need.causal:
        way.append("both")
    state = {"path": "+".join(way), "features": need.features, "batch": need.batch}
    if need.height:
        state |= {"height": need.height, "width": need.width, "pixels": 1}
    else:
        state["tokens"] = need.tokens
    return "&".join(f"{k}={v}" for k, v in state.items()) + "&padding=1" * need.padding


@pytest.mark.parametrize("need", NEEDS, ids=str)
def test_page_library_and_command_line_agree(which, need, capsys):
    which.evaluate("(state) => { location.hash = state; }", address_of(need))
    which.wait_for_function("(n) => document.querySelector('.told').innerText.includes(n)",
                            arg=f"{need.features} features, batch of {need.batch}.")  # fmt: skip
    rows = which.evaluate(SHOWN)
    choices = {choice.name: choice for choice in recommend(need).choices}
    counted = {name: (changed, rest) for name, changed, *rest in rows if len(rest) > 1}
    assert counted.keys() == choices.keys()
    for name, (changed, counts) in counted.items():
        choice = choices[name]
        assert changed == (f"with {choice.changed}" if choice.changed else "")
        assert counts == [getattr(choice, kind) for kind in COUNTED]
    asked = ["recommend", "--layout", need.layout, "--features", str(need.features)]
    asked += ["--batch", str(need.batch)] + ["--causal"] * need.causal
    asked += ["--padding"] * need.padding + (["--task", need.task] if need.task else [])
    for axis in ("tokens", "height", "width"):
        if getattr(need, axis):
            asked += [f"--{axis}", str(getattr(need, axis))]
    assert main(asked) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name, (_, counts) in counted.items():
        [line] = [words for words in printed if words and words[0] == name]
        assert line[1:4] == [f"{n:,}" for n in counts[:3]]


def test_what_is_refused_says_why_in_its_row(which):
    need = Need("maps", 100, height=64, width=64)
    which.evaluate("(state) => { location.hash = state; }", address_of(need))
    which.wait_for_function("document.querySelector('.told').innerText.includes('100 features')")
    told = {name: rest for name, _, *rest in which.evaluate(SHOWN) if len(rest) == 1}
    left = {str(c): why for c, why in recommend(need).left_out if c.layout == "maps"}
    assert told.keys() == left.keys() and "PyramidSplitAttention" in told
    assert told["PyramidSplitAttention"] == [left["PyramidSplitAttention"]]
    assert told["MultiResolutionOverlappedAttention"] == ["takes maps of at most 56 × 56"]


def test_no_text_of_the_flow_chart_leaves_its_box(which):
    assert which.evaluate(OVERFLOW) == []
    which.evaluate("document.querySelector('svg.flowchart rect').setAttribute('width', 60)")
    assert which.evaluate(OVERFLOW) == [questions.TREE.text], "a box too small was not seen"


def test_the_menus_ask_the_questions_of_the_chart(which):
    form = which.locator("#selection")
    for path in paths():
        node = questions.TREE
        for answer in path.answers:
            form.get_by_label(node.text).select_option(label=answer.label)
            node = answer.then
        bodies = which.locator("table.ranking tbody:not([hidden])")
        assert bodies.count() == 1
        assert bodies.get_attribute("data-path") == " ".join(path.slugs)
        assert path.leaf.use[1:] in bodies.locator(".heading").inner_text()
    assert "any" in form.get_by_label(questions.OUTPUT.text).locator("option").all_inner_texts()


def test_a_choice_is_made_by_keyboard_told_and_shared(which, chromium):
    form = which.locator("#selection")
    form.get_by_label("What comes in").focus()
    which.keyboard.press("ArrowUp")
    assert form.get_by_label("What comes in").input_value() == "tokens"
    form.get_by_label("May a token look").select_option("causal")
    form.get_by_label("Tokens", exact=True).focus()
    which.keyboard.press("Control+a")
    which.keyboard.type("4096")
    causal = [card for card in catalog() if can_be_causal(card)]
    rows = which.locator("table.ranking tbody:not([hidden]) tr[data-key]")
    assert rows.count() == len(causal)
    assert form.get_by_role("status").inner_text().startswith(f"{len(causal)} of {len(causal)} ")
    assert not form.get_by_label("Height").is_visible()
    assert "tokens=4096" in which.url and "causal" in which.url and "height" not in which.url
    shared = chromium.new_page(viewport=WIDE)
    shared.goto(which.url, wait_until="load")
    assert shared.get_by_label("Tokens", exact=True).input_value() == "4096"
    assert shared.evaluate(SHOWN) == which.evaluate(SHOWN)
    shared.close()


def test_a_head_sorts_each_group(which):
    which.get_by_role("button", name="Numbers touched").click()
    for body in which.locator("table.ranking tbody:not([hidden])").all():
        cells = body.locator("tr[data-key] td:nth-child(3)")
        numbers = [int(n) for n in cells.evaluate_all("all => all.map((c) => c.dataset.value)")]
        assert numbers == sorted(numbers)
        assert body.locator("tr").first.get_attribute("class") == "heading"


def test_nonsense_in_the_form_is_told(which):
    form = which.locator("#selection")
    told = form.get_by_role("status")
    height = form.get_by_label("Height")
    table = which.locator("table.ranking")
    for value in ("0", "", "3.5", "99999"):
        height.fill(value)
        assert told.inner_text().startswith(f"Please correct: height={value or 'nothing'} must be")
        assert not table.is_visible()
        assert height.get_attribute("aria-invalid") == "true"
    height.fill("8")
    assert table.is_visible()


def test_a_forged_address_does_no_harm(which, address):
    query = "path=<b>+nobody&height=x&by=nothing&nobody=1&features=64"
    which.goto(f"{address}/book/intro.html")
    which.goto(f"{address}/book/selection.html#{query}", wait_until="load")
    form = which.locator("#selection")
    assert form.get_by_label("What comes in").input_value() in ("maps", "tokens")
    assert form.get_by_label("Channels").input_value() == "64"


def test_a_mechanism_leads_to_what_was_trained_with_it(which):
    """The fold opens, its table is seen, and the form keeps what was typed."""
    form = which.locator("#selection")
    form.get_by_label("What comes in").select_option("tokens")
    form.get_by_label("Features").select_option("64")
    fold = which.locator("details", has=which.locator("#experiment-linear-recall"))
    assert fold.get_attribute("open") is None
    which.locator("tr.why a[href='#experiment-linear-recall']:visible").first.click()
    assert fold.get_attribute("open") is not None
    assert fold.locator("table").is_visible()
    top = fold.evaluate("fold => fold.getBoundingClientRect().top")
    assert 0 <= top < which.viewport_size["height"]
    assert form.get_by_label("What comes in").input_value() == "tokens"
    assert form.get_by_label("Features").input_value() == "64"


@pytest.mark.parametrize("layout", ["tokens", "maps"])
def test_axe_finds_nothing_in_an_opened_table(which, layout):
    which.locator("#selection").get_by_label("What comes in").select_option(layout)
    which.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert with_axe(which, ("axe, light", "axe, dark")) == {"axe, light": [], "axe, dark": []}


def test_the_page_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/selection.html")
    shown = page.locator("table.ranking tr[data-key]").all_text_contents()
    for path in paths():
        for card in questions.members(path):
            assert any(card.title in text for text in shown)
    uses = page.locator("table.uses tbody tr").all_text_contents()
    assert all(card.title in text for card, text in zip(catalog(), uses, strict=True))
    assert page.locator("svg.flowchart").is_visible()
    context.close()
