"""Which one? The questions, what their answers rest on, the ranking, and the parts of the page."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from attention_lib.advice import evidence, questions, ranking, traits
from attention_lib.advice.evidence import Measured
from attention_lib.advice.need import Need, parse_bytes
from attention_lib.advice.questions import Leaf, Question, members, paths
from attention_lib.advice.ranking import recommend
from attention_lib.advice.traits import (
    SIDE,
    Footprint,
    can_be_causal,
    footprint,
    growth,
    is_a_gate,
    on_maps,
    unchanged_at_start,
)
from attention_lib.cards import properties
from attention_lib.cards.shape import Maps
from attention_lib.catalog import catalog, find
from attention_lib.checks import randomize
from attention_lib.cli.main import main
from attention_lib.measure import store
from attention_lib.measure.cost import measure
from attention_lib.measure.growth import interval
from attention_lib.teaching.display import _bibliography
from tools import flowchart
from tools import selection as parts
from tools.pages import markdown, tables

TASKS = [(layout, task) for layout in ("tokens", "maps") for task in questions.tasks(layout)]


# ---- the questions -----------------------------------------------------------------------------


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_finds_one_way(card):
    """One for each answer about order, where it can have either."""
    ways = [path for path in paths() if card in members(path)]
    assert len(ways) == 1 + can_be_causal(card)
    assert len({path.slugs[1] for path in ways}) == len(ways)


@pytest.mark.whole_catalog
@pytest.mark.parametrize("path", list(paths()), ids=lambda path: "-".join(path.slugs))
def test_every_leaf_has_mechanisms_and_reasons(path):
    assert members(path)
    assert path.leaf.use and path.why
    for answer in path.answers:
        kinds = [part.partition(":")[0] for part in answer.why.split("; ")] if answer.why else []
        assert set(kinds) <= {"signature", "measured", "counted"}, answer.why


@pytest.mark.whole_catalog
def test_slugs_name_one_answer_of_a_layout():
    for layout in ("tokens", "maps"):
        answers = [a for p in paths() if p.slugs[0] == layout for a in p.answers]
        assert len({a.slug for a in answers}) == len({(a.slug, a.label) for a in answers})


OTHERS = {  # near them, and elsewhere
    "tokens causal": {"ExternalAttention", "SeparableAttention"},
    "channels": {"SpatialGroupEnhance", "SelectiveKernel"},
    "scores": {"SpatialGroupEnhance"},
    "side": {"GlobalFilter", "HaloAttention"},
    "area": {"AxialAttention", "DualAttention"},
}


@pytest.mark.whole_catalog
@pytest.mark.parametrize(
    ("slugs", "names"),
    [
        ("tokens causal", {"MultiHeadAttention", "SimplifiedSelfAttention", "AttentionFree"}),
        ("channels", {"SqueezeExcitation", "EfficientChannelAttention"}),
        ("scores", {"ClassSpecificResidualAttention"}),
        ("side", {"AxialAttention", "CrissCrossAttention", "VisionPermutator"}),
        ("area", {"DoubleAttention", "AttentionFreeConvolution", "GlobalFilter"}),
    ],
)
def test_leaves_hold_what_their_papers_describe(slugs, names):
    [found] = [members(path) for path in paths() if set(slugs.split()) <= set(path.slugs)]
    assert {str(card) for card in found} >= names
    assert not OTHERS[slugs] & {str(card) for card in found}


# ---- what the answers rest on --------------------------------------------------------------------


@pytest.mark.parametrize("card", [c for c in catalog() if can_be_causal(c)], ids=str)
def test_causal_is_measured(card):
    """As the answer says: with causal=True no later token changes an answer, else one does."""
    for causal in (True, False):
        mechanism = randomize(card.build(causal=causal)).double().eval()
        [x] = card.inputs(torch.float64)
        assert (properties.causal(mechanism, x) == 0) == causal


def test_a_footprint_is_what_the_mathematics_says():
    for name, places, distance, flat in [
        ("SqueezeExcitation", 1, 0, True),
        ("SpatialGroupEnhance", 1, 0, False),
        ("ConvolutionalBlockAttention", 1, 0, False),
        ("ParNetAttention", 9, 1, False),  # a convolution of 3 x 3, and a gate that sees all
        ("SpatialShift", 5, 1, False),
        ("SelectiveKernel", 17, 2, False),  # 3 x 3, and 3 x 3 dilated: nine places shared by one
        ("VisionPermutator", 2 * SIDE - 1, SIDE // 2, False),
        ("AxialAttention", SIDE**2, SIDE // 2, False),
        ("CrissCrossAttention", SIDE**2, SIDE // 2, False),
    ]:
        assert footprint(name) == Footprint(places, distance, flat), name


class RowGate(nn.Module):
    """A factor for each row, the same at all places of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: Maps) -> Maps:
        return x * torch.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None]


def test_a_gate_that_differs_from_row_to_row_is_not_flat(monkeypatch):
    card = replace(find("SimAM"), mechanism=RowGate, example=dict(channels=3))
    monkeypatch.setattr(traits, "find", lambda name: card)
    assert footprint.__wrapped__("RowGate") == Footprint(1, 0, False)


@pytest.mark.whole_catalog
def test_a_gate_agrees_with_the_properties_of_the_cards():
    for card in filter(on_maps, catalog()):
        if properties.only_attenuates in card.properties:
            assert is_a_gate(card), card


def test_measuring_draws_no_random_numbers_from_the_user():
    before = torch.get_rng_state()
    footprint.__wrapped__("se")
    unchanged_at_start.__wrapped__("se")
    assert torch.equal(torch.get_rng_state(), before)


def test_only_what_starts_at_nought_is_unchanged_at_the_start():
    """Criss-cross attention is multiplied by γ = 0 at first; most others answer at once."""
    assert unchanged_at_start("CrissCrossAttention")
    for name in ("MultiHeadAttention", "SqueezeExcitation", "ClassSpecificResidualAttention"):
        assert not unchanged_at_start(name)


@pytest.mark.parametrize(
    ("name", "power"),
    [("mha", 2), ("emsa", 2), ("ea", 1), ("aft", 1), ("se", 0), ("coord", 0.5), ("axial", 1.5),
     ("ccnet", 1.5), ("vip", 1.5), ("danet", 2), ("gfnet", 0), ("halo", 1)],
)  # fmt: skip
def test_growth_is_that_of_the_formula(name, power):
    assert growth(find(name)) == pytest.approx(power, abs=0.05)


def test_experiments_are_told_as_they_are_stored():
    stored = store.load("channel-experiment")[0]["runs"]
    [told] = evidence.experiment("channel cue", ["none", "SqueezeExcitation"])
    for plug, name in (("none", "no gate"), ("SqueezeExcitation", "SqueezeExcitation")):
        runs = [r for r in stored if (r["task"], r["plug"]) == ("channel cue", plug)]
        solved = sum(r["accuracy"] > 0.95 for r in runs)
        assert f"{name} {solved} of {len(runs)}" in told
    [told] = evidence.experiment("row and column", ["SqueezeExcitation"])
    mean = interval(
        [r["accuracy"] for r in stored
         if (r["task"], r["plug"]) == ("row and column", "SqueezeExcitation")]
    )[0]  # fmt: skip
    assert f"SqueezeExcitation {mean:.3f} [" in told
    assert evidence.experiment("no such task", ["none"]) == []


def test_what_was_not_trained_is_said():
    assert "channel-experiment" in evidence.experiments_with("SqueezeExcitation")
    assert evidence.experiments_with("NoSuchMechanism") == []
    assert not any(name.endswith("-bench") for name in evidence.experiments_with("SimAM"))
    *known, said = ranking.experiments_of(["SqueezeExcitation", "NoSuchMechanism"])
    assert said.endswith("merit: NoSuchMechanism.")
    assert "Stored experiment channel-experiment has SqueezeExcitation." in known
    assert ranking.experiments_of(["SqueezeExcitation"]) == known


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_networks_known_for_a_mechanism_are_cited(card):
    assert {key for _, key in card.networks} <= _bibliography().keys()


# ---- the ranking -------------------------------------------------------------------------------

COUNTED = [
    Need("maps", 128, height=19, width=26, batch=3),
    Need("maps", 256, height=56, width=56),
    Need("tokens", 64, tokens=77, causal=True, batch=2),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 96, height=12, width=7),
]


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_costs_are_those_that_are_counted(card, monkeypatch):
    """All are counted again; the largest tensor of a small input may be a weight."""
    monkeypatch.setattr(ranking, "catalog", lambda: [card])
    for need, choice in ((each, c) for each in COUNTED for c in recommend(each).choices):
        large = replace(choice.card, sizes=choice.card.sizes | {"batch": need.batch})
        with torch.device("meta"):
            mechanism, inputs = large.build(), large.inputs()
        counted = measure(mechanism, *inputs)
        assert (choice.params, choice.macs) == (counted.params, counted.macs), choice.name
        largest = max(counted.memory, inputs[0].numel())
        weight = max([p.numel() for p in mechanism.parameters()], default=0)
        assert choice.memory <= largest <= max(choice.memory, weight), choice.name
        assert choice.bytes == 4 * choice.memory


@pytest.mark.parametrize("by", ["macs", "params", "memory"])
def test_those_that_cost_least_come_first(by):
    costs = [getattr(choice, by) for choice in recommend(COUNTED[0], by).choices]
    assert costs == sorted(costs) and len(set(costs)) > 1


def test_times_are_ranked_only_within_one_measured_size():
    choices = recommend(Need("maps", 128, height=32, width=32), "time").choices
    groups = [c.measured.group if c.measured else None for c in choices]
    assert groups == sorted(groups, key=lambda g: (g is None, g or ""))
    for group in set(groups) - {None}:
        times = [c.measured.seconds for c in choices if c.measured and c.measured.group == group]
        assert times == sorted(times)
        sizes = {c.measured.where for c in choices if c.measured and c.measured.group == group}
        assert len(sizes) == 1, "one size, so the times can be compared"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_task_keeps_those_on_its_way(card, monkeypatch):
    for room in (ranking, questions):
        monkeypatch.setattr(room, "catalog", lambda: [card])
    ways = [path.slugs for path in paths() if card in members(path)]
    for layout, task in TASKS:
        advice = recommend(Need(layout, 128, task=task, height=16, width=16))
        on_its_way = any(task in slugs and slugs[0] == layout for slugs in ways)
        assert [choice.card.mechanism for choice in advice.choices] == [card.mechanism] * on_its_way
        assert [left for left, _ in advice.left_out] == [card] * (not on_its_way)


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_finds_the_rules_of_every_mechanism(card):
    assert parts.rules(str(card))


def why(advice, name):
    [found] = [reason for card, reason in advice.left_out if str(card) == name]
    return found


def test_what_is_left_out_says_why():
    on_maps = recommend(Need("maps", 30, height=60, width=20, memory=1000))
    assert why(on_maps, "MultiHeadAttention") == "works on tokens"
    assert why(on_maps, "SpatialGroupEnhance") == "channels=30 must be a multiple of groups=64"
    assert why(on_maps, "SimAM") == "its largest tensor alone takes 144,000 bytes, of 1,000 allowed"
    wide = recommend(Need("maps", 64, height=60, width=20))
    assert "at most max_windows=4" in why(wide, "MultiResolutionOverlappedAttention")
    on_tokens = recommend(Need("tokens", 64, tokens=9, padding=True))
    assert why(on_tokens, "UnitForceAttention") == "takes no key_mask"
    assert "height and width" in why(recommend(Need("tokens", 64, tokens=9)),
                                     "EfficientMultiHeadAttention")  # fmt: skip
    causal = recommend(Need("tokens", 64, tokens=9, causal=True))
    assert why(causal, "ExternalAttention") == "has no causal form"
    assert all(choice.card.example["causal"] for choice in causal.choices)
    gates = recommend(Need("maps", 64, height=9, width=9, task="gate"))
    assert why(gates, "HaloAttention") == "is no answer to the task 'gate'"


def test_memory_is_a_matter_of_the_precision():
    need = Need("maps", 64, height=16, width=16, memory=4 * 64 * 16 * 16)
    names = {choice.name for choice in recommend(need).choices}
    assert "SqueezeExcitation" in names and "AxialAttention" not in names
    assert not recommend(replace(need, memory=need.memory - 1)).choices
    assert {c.name for c in recommend(replace(need, dtype="float16")).choices} > names
    assert not recommend(replace(need, dtype="float64")).choices


def test_the_nearest_measured_size_is_found(monkeypatch):
    def at(seconds, **changed):
        known = dict(mechanism="SimAM", group="g", machine="m", backward=False, batch=1,
                     features=64, height=8, width=8, low=0, high=0, peak_bytes=1)  # fmt: skip
        return Measured(**known | changed, seconds=seconds)

    rows = (at(1), at(2, height=16, width=16), at(3, height=16, width=16, features=512),
            at(4, height=16, width=16, batch=8), at(5, height=16, width=16, backward=True),
            at(6, height=16, width=16, mechanism="other"))  # fmt: skip
    monkeypatch.setattr(evidence, "measurements", lambda: rows)
    need = Need("maps", 64, height=14, width=15)
    assert evidence.nearest("SimAM", need).seconds == 2
    assert evidence.nearest("SimAM", replace(need, features=400)).seconds == 3
    assert evidence.nearest("SimAM", replace(need, batch=6)).seconds == 4
    assert evidence.nearest("SimAM", replace(need, backward=True)).seconds == 5
    assert evidence.nearest("SimAM", replace(need, height=6, width=9)).seconds == 1
    assert evidence.nearest("nobody", need) is None
    [choice] = [c for c in recommend(need).choices if c.name == "SimAM"]
    assert choice.measured.where == "16 × 16 × 64"
    assert at(1, batch=3, height=0, width=1000).where == "3 × (1,000 tokens × 64)"


def test_stored_times_are_read_and_those_of_the_default_allocator_are_not():
    sweeps = [s for stored in store.load("channel-bench") for s in stored["sweeps"]]
    rows = [r for s in sweeps if s["allocator"] == "tuned" for r in s["rows"]]
    mine = [m for m in evidence.measurements() if m.group.startswith("channel-bench")]
    bent = {r["seconds"] for s in sweeps if s["allocator"] == "default" for r in s["rows"]}
    assert {row["seconds"] for row in rows} <= {m.seconds for m in mine}
    assert bent and not bent & {m.seconds for m in mine}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(layout="rows"), "no layout 'rows'"),
        (dict(layout="maps"), "a map has a height and a width"),
        (dict(layout="tokens"), "give the number of tokens"),
        (dict(layout="maps", height=4), "height=4 and width=None"),
        (dict(layout="maps", height=4, width=0), "width=0 must be at least 1"),
        (dict(layout="tokens", tokens=0), "tokens=0 must be at least 1"),
        (dict(layout="tokens", tokens=5, memory=0), "memory=0 must be at least 1"),
        (dict(layout="tokens", tokens=5, height=2, width=2), "tokens=5 are not the pixels of 2"),
        (dict(layout="maps", height=4, width=4, causal=True), "causal is a matter of tokens"),
        (dict(layout="maps", height=4, width=4, padding=True), "padding is a matter of tokens"),
        (dict(layout="tokens", tokens=5, task="gate"), "no task 'gate' on tokens; there are pairs"),
        (dict(layout="tokens", tokens=5, task="pairs", causal=True), "task='pairs' is asked only"),
        (dict(layout="tokens", tokens=5, dtype="int8"), "dtype='int8' must be one of float64"),
    ],
)
def test_a_need_that_makes_no_sense_is_refused(given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Need(**given)


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="by='speed' must be one of macs, params"):
        recommend(COUNTED[0], by="speed")


def test_memory_is_read_with_its_unit():
    for text, number in [("2GiB", 2**31), ("1.5 kb", 1500), ("7", 7), (" 512 mib ", 2**29)]:
        assert parse_bytes(text) == number
    for text in ("GiB", "2 GiB more", "-1GiB", "2XB", "0", "0.1B"):
        with pytest.raises(ValueError, match="must be a number and a unit"):
            parse_bytes(text)


# ---- the command -------------------------------------------------------------------------------


def said(capsys, line):
    code = main(["recommend", *line.split()])
    out, error = capsys.readouterr()
    return code, out, error


def test_the_command_ranks_and_says_why(capsys):
    line = "--layout maps --height 14 --features 256 --task gate --memory 1GiB --batch 2"
    code, out, _ = said(capsys, line)
    assert code == 0 and out.startswith("14 × 14 pixels, 256 features, batch of 2, float32;")
    need = Need("maps", 256, height=14, width=14, task="gate", batch=2)
    choices = recommend(need).choices
    table = out.partition("why\n")[0].splitlines()[3:-1]
    for row, choice in zip(table, choices, strict=True):
        assert re.match(rf"{choice.name} +{choice.macs:,} +{choice.params:,} +392 KiB ", row)
        assert choice.measured.where in row and choice.measured.machine in row
    for choice in choices:
        assert choice.path.why in out and choice.path.leaf.use in out
    assert "SqueezeExcitation 7 of 7" in out and "HaloAttention" in out.partition("left out")[2]
    assert re.search(r"^  \d+ mechanisms: works on tokens$", out, flags=re.MULTILINE)


def test_the_command_says_that_nothing_fits(capsys):
    code, out, _ = said(capsys, "--layout tokens --tokens 9 --memory 1KiB --by time")
    assert code == 0 and "nothing fits" in out and "of 1,024 allowed" in out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--layout maps", "a map has a height and a width: give both"),
        ("--tokens 5", "Missing option '--layout'"),
        ("--layout maps --height 4 --task pair", "no task 'pair' on maps; there are scores, gate"),
        ("--layout tokens --tokens 4 --memory much", "memory='much' must be a number and a unit"),
        ("--layout tokens --tokens 4 --by speed", "by='speed' must be one of macs"),
        ("--layout tokens --tokens 0", "Invalid value for '--tokens'"),
    ],
)
def test_the_command_is_refused_in_one_line(capsys, line, told):
    code, out, error = said(capsys, line)
    assert (code, out) == (2, "") and told in error and error.count("\n") == 1


# ---- the parts of the page -----------------------------------------------------------------------


def nodes(question: Question = questions.TREE, name: str = "which"):
    """(name, text) of each question and answer, and (from, to) of each edge."""
    yield name, question.text
    for answer in question.answers:
        inside = f"{name}-{answer.slug}"
        yield f"{inside}-label", answer.label
        yield (name, inside), ""
        if isinstance(answer.then, Leaf):
            yield inside, answer.then.use
        else:
            yield from nodes(answer.then, inside)


def undrawn(svg: str) -> list:
    """What of the tree is not in a drawing."""
    drawing = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    texts = {
        group.get("data-node"): " ".join(t.text for t in group.iter(f"{space}text"))
        for group in drawing.iter(f"{space}g")
    }
    edges = {(e.get("data-from"), e.get("data-to")) for e in drawing.iter(f"{space}path")}
    missing = []
    for name, text in nodes():
        if isinstance(name, tuple):
            missing += [name] * (name not in edges)
        elif text.lower() not in texts.get(name, "").lower():
            missing.append(name)
    for path in paths():
        shown = texts.get("which-" + "-".join(path.slugs), "")
        missing += [card.title for card in members(path) if card.title not in shown]
    return missing


@pytest.mark.whole_catalog
def test_the_flow_chart_holds_the_whole_tree():
    svg = flowchart.flowchart(questions.TREE, "A title", "A description")
    assert undrawn(svg) == []
    drawing = ElementTree.fromstring(svg)
    assert drawing.get("role") == "img"
    told = [drawing.find(f".//*[@id='{name}']").text
            for name in drawing.get("aria-labelledby").split()]  # fmt: skip
    assert told == ["A title", "A description"]


@pytest.mark.parametrize("gone", ['data-to="which-maps"', "From how far?", "SimAM", "A map again"])
def test_what_a_flow_chart_lacks_is_found(gone):
    svg = flowchart.flowchart(questions.TREE, "A title", "A description")
    assert gone in svg and undrawn(svg.replace(gone, 'data-to="?"' if "=" in gone else "?"))


def test_lines_are_as_wide_as_they_may_be():
    lines = flowchart.wrap("as many words as fit on one line of a narrow box and no more", 120)
    assert " ".join(lines) == "as many words as fit on one line of a narrow box and no more"
    assert all(flowchart.letters(line) <= 120 for line in lines)
    for line, following in pairwise(lines):
        assert flowchart.letters(f"{line} {following.split()[0]}") > 120
    assert flowchart.letters("bold", "use") > flowchart.letters("bold")
    with pytest.raises(ValueError, match="'unbreakable' does not fit into 20 pixels"):
        flowchart.wrap("an unbreakable word", 20)


@pytest.mark.whole_catalog
def test_the_list_says_what_the_drawing_says():
    text = parts.as_list()
    for name, words in nodes():
        assert isinstance(name, tuple) or words in text
    for path in paths():
        assert all(parts.link(card) in text for card in members(path))
        assert all(sentence in text for sentence in path.leaf.finding())
    questions = re.findall(r"^(\d+)\. ", text, flags=re.MULTILINE)
    assert questions == [str(number) for number in range(1, len(questions) + 1)]
    gone_to = re.findall(r"go to question (\d+)\.", text)
    assert sorted(gone_to, key=int) == questions[1:], "each question but the first is led to once"


def test_rules_are_found_or_refused():
    assert parts.divisor("x", {w for w in parts.WIDTHS if w % 8 == 0 and w > 8}) == (8, 16)
    with pytest.raises(ValueError, match="are not the multiples of"):
        parts.divisor("x", {8, 16, 4096})
    at = {c: max(c // 16, 3) for c in parts.WIDTHS}
    assert str(parts.as_formula(at, at.get)) == "Max(3, floor(features/16))"
    stepped = parts.as_formula({1: 3, 64: 3, 128: 5, 256: 5}, lambda c: 3 if c < 77 else 5)
    assert [stepped.subs("features", c) for c in (1, 76, 77, 256)] == [3, 3, 5, 5]
    far = parts.as_formula({1: 3, 4096: 5}, lambda c: 3 if c < 3000 else 5)
    assert [far.subs("features", c) for c in (2999, 3000)] == [3, 5]
    assert parts.as_formula({1: 7, 9: 7}, None) == 7
    with pytest.raises(ValueError, match="no rule for a word"):
        parts.as_formula({c: c * c % 97 for c in range(1, 40)}, lambda c: c * c % 97)


def test_the_widest_map_is_found():
    assert parts.rules("MultiResolutionOverlappedAttention")["side"] == 4 * 14
    assert parts.rules("HaloAttention")["side"] is None


@pytest.fixture(scope="module")
def made():
    return parts.parts(markdown.table, markdown.growth)


def test_the_data_is_whole(made):
    text = re.search(r'id="selection-data">(.*?)</script>', made["selection-form.md"])[1]
    data = json.loads(text)
    assert [m["name"] for m in data["mechanisms"]] == [str(card) for card in catalog()]
    measured = {m.mechanism for m in evidence.measurements()}
    assert {m["name"] for m in data["mechanisms"] if m["measured"]} == measured
    assert [p["slugs"] for p in data["paths"]] == [list(path.slugs) for path in paths()]


def test_the_table_cites_or_says_that_nothing_was_found(made):
    rows = made["selection-table.md"].split("\n* - ")[2:]
    keys = _bibliography().keys()
    for card, row in zip(catalog(), rows, strict=True):
        cited = re.findall(r"\{cite:t\}`(\w+)`", row)
        assert cited == [key for _, key in card.networks]
        assert set(cited) <= keys and (cited or "none found" in row)
        assert card.summary in row and card.order("macs") in row and card.order("params") in row


def test_the_rankings_stand_in_the_page(made):
    text = made["selection-sizes.md"]
    tables = text.split("\n### ")
    for need, table in zip(parts.STATIC, tables, strict=True):
        choices = recommend(need).choices
        places = [table.index(f"* - {parts.link(choice.card)}\n") for choice in choices]
        assert places == sorted(places)
        for choice in choices:
            macs = f"{choice.macs:,}" if choice.macs else "0: none counted"
            assert f"  - {macs}\n  - {choice.params:,}\n" in table
    assert all(parts.escape(m.machine) in text for m in evidence.measurements())


def test_what_was_never_measured_says_so(monkeypatch):
    """On every page, and by the command: a new mechanism is in this state."""
    rows = tuple(m for m in evidence.measurements() if m.mechanism != "SimAM")
    monkeypatch.setattr(evidence, "measurements", lambda: rows)
    need = Need("maps", 64, height=14, width=14)
    choices = recommend(need, "time").choices
    [place] = [place for place, choice in enumerate(choices) if choice.name == "SimAM"]
    simam = choices[place]
    assert all(choice.measured is None for choice in choices[place:]), "they come last"
    assert parts.clock(simam) == "not measured"
    made = parts.parts(markdown.table, markdown.growth)
    assert "not measured" in made["selection-sizes.md"]
    monkeypatch.setattr(tables, "exponents", lambda root: {"SqueezeExcitation": ["time 2"]})
    assert "not measured" in tables.mechanisms_page()
