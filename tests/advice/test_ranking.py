"""What fits a need is counted at its size, and what is left out says why."""

from dataclasses import replace

import pytest
import torch

from attention_lib.advice import questions, ranking
from attention_lib.advice.need import Need
from attention_lib.advice.questions import members, paths
from attention_lib.advice.ranking import recommend
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import catalog, find
from attention_lib.measure.cost import measure

TASKS = [(layout, task) for layout in ("tokens", "maps") for task in questions.tasks(layout)]
NEEDS = [
    Need("maps", 128, height=19, width=26, batch=3),
    Need("maps", 256, height=56, width=56),
    Need("tokens", 64, tokens=77, causal=True, batch=2),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 96, height=12, width=7),
]


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_costs_are_those_that_are_counted(card, monkeypatch):
    """All are counted again; the largest tensor of a small input may be its copy, or a weight."""
    monkeypatch.setattr(ranking, "catalog", lambda: [card])
    for need, choice in ((each, c) for each in NEEDS for c in recommend(each).choices):
        large = replace(choice.card, sizes=choice.card.sizes | {"batch": need.batch})
        with torch.device("meta"):
            mechanism, inputs = large.build(), large.inputs()
        counted = measure(mechanism, *inputs)
        assert (choice.params, choice.macs) == (counted.params, counted.macs), choice.name
        largest = max(counted.memory, inputs[0].numel())
        weight = max([p.numel() for p in mechanism.parameters()], default=0)
        most = max(choice.memory, weight, inputs[0].numel())
        assert choice.memory <= largest <= most, choice.name
        assert choice.bytes == 4 * choice.memory
        read = inputs[0].numel() + choice.params
        assert choice.touched == read + choice.memory


@pytest.mark.parametrize("by", COUNTED)
def test_those_that_cost_least_come_first(by):
    costs = [getattr(choice, by) for choice in recommend(NEEDS[0], by).choices]
    assert costs == sorted(costs) and len(set(costs)) > 1


def test_heads_and_groups_are_the_nearest_divisors():
    found = {c.name: c for c in recommend(Need("tokens", 500, tokens=64)).choices}
    mha = found["MultiHeadAttention"]
    assert mha.changed == "heads = 10" and mha.card.example["heads"] == 10, "8 does not divide 500"
    assert found["ExternalAttention"].changed == "", "a single head is its default"
    on_maps = {c.name: c for c in recommend(Need("maps", 30, height=9, width=9)).choices}
    assert on_maps["SpatialGroupEnhance"].changed == "groups = 30"
    at_home = recommend(Need("maps", 256, height=9, width=9)).choices
    assert not any(choice.changed for choice in at_home), "256 has the defaults' divisors"


def test_divisors_are_tried_from_the_default_outwards():
    tried = ranking.nearest_divisors(find("mha"), 12)
    assert [each["heads"] for each in tried] == [6, 12, 4, 3, 2, 1], "by the ratio to 8"
    assert ranking.nearest_divisors(find("simam"), 12) == [{}]


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


def why(advice, name):
    [found] = [reason for card, reason in advice.left_out if str(card) == name]
    return found


def test_what_is_left_out_says_why():
    on_maps = recommend(Need("maps", 30, height=60, width=20, memory=1000))
    assert why(on_maps, "MultiHeadAttention") == "works on tokens"
    assert "channels=30 must be a multiple of" in why(on_maps, "PyramidSplitAttention")
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


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="by='speed' must be one of macs, touched, params"):
        recommend(NEEDS[0], by="speed")


@pytest.mark.parametrize("need", ["maps", None, dict(layout="maps")], ids=repr)
def test_what_is_no_need_is_named(need):
    with pytest.raises(TypeError, match=r"^a Need is wanted, got "):
        recommend(need)


def test_a_size_that_nobody_can_count_is_a_reason():
    advice = recommend(Need("tokens", 2**30, tokens=2**31 - 1))
    assert any("cannot be made" in why or "too large" in why for _, why in advice.left_out)
