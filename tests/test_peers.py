"""Peers are compared fairly: nobody is forgotten, answers are equal, ratios are theirs / ours."""

import json
from functools import partial, wraps

import pytest
import torch
from torch import nn

from attention_lib.catalog import catalog, find
from attention_lib.checks import randomize
from attention_lib.measure.sizes import realistic
from attention_lib.measure.source import digests
from tests.oracles import of
from tests.oracles.peers import (
    MORE,
    NOT_COMPILED,
    NOT_TIMED,
    SIZES,
    STAGE,
    TOKENS,
    Peer,
    peers,
    sizes_of,
)
from tools import peers as tool
from tools.bench import ALLOCATORS


@pytest.mark.whole_catalog
def test_every_oracle_is_timed_or_has_a_reason():
    oracles = {name for card in catalog() for name in of(str(card), card.family)}
    assert NOT_TIMED.keys() | NOT_COMPILED.keys() <= oracles
    timed = {str(card): peers(str(card), card.family) for card in catalog()}
    assert oracles <= {peer.name for found in timed.values() for peer in found} | NOT_TIMED.keys()
    assert SIZES.keys() <= {name for name, found in timed.items() if found}
    assert all(len(sizes) == 2 and sizes[0] != sizes[1] for sizes in SIZES.values())


def test_a_mechanism_without_sizes_of_its_own_has_those_of_its_layout():
    assert sizes_of(find("SimAM")) == STAGE and sizes_of(find("ssa")) == TOKENS
    assert sizes_of(find("axial")) == SIZES["AxialAttention"] != STAGE


@pytest.mark.parametrize(
    ("mechanism", "name"), [(m, name) for m, found in MORE.items() for name in found]
)
def test_a_peer_that_is_no_oracle_is_equal_too(mechanism, name):
    torch.manual_seed(0)
    large = realistic(find(mechanism), **sizes_of(find(mechanism))[0] | dict(batch=1))
    ours, inputs = randomize(large.build()).eval(), large.inputs()
    tool.equal(ours, Peer(mechanism, name, MORE[mechanism][name]), inputs)


class Slower(nn.Module):
    """Nine times ours, of which eight are thrown away."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours

    def forward(self, x):
        answers = [self.ours(x + i) for i in range(9)]
        return answers[0]


def slower(ours):
    state = {f"ours.{name}": tensor for name, tensor in ours.state_dict().items()}
    return Slower(realistic(find("se"), **SMALL).build()), state


def wrong(ours):
    state = {name: tensor + 1 for name, tensor in ours.state_dict().items()}
    return realistic(find("se"), **SMALL).build(), state


SMALL = dict(channels=32, height=16, width=16)


def test_a_ratio_above_one_says_that_ours_is_ahead(monkeypatch):
    """By a clock that ticks once a forward pass: nine passes take nine times as long."""
    card, passes = find("se"), []
    ours = card.mechanism.forward

    @wraps(ours)
    def counted(*given):
        passes.append(given)
        return ours(*given)

    monkeypatch.setattr(card.mechanism, "forward", counted)
    together = partial(tool.timing.time_together, clock=lambda: float(len(passes)))
    monkeypatch.setattr(tool.timing, "time_together", together)
    peer = Peer("SqueezeExcitation", "slower", slower)
    options = dict(device="cpu", compiled=False, seconds=0)
    forward, both = tool.pooled(tool.side_by_side(card, peer, SMALL, **options))
    assert (forward["backward"], both["backward"]) == (False, True)
    for row in (forward, both):
        assert row["low"] == row["time_ratio"] == row["high"] == 9
        assert (row["ours_seconds"], row["theirs_seconds"]) == (1, 9)
        assert row["memory_ratio"] > 3
        assert row["theirs_bytes"] > 3 * row["ours_bytes"] > 0
    assert tool.told(forward).startswith("slower, channels=32 height=16 width=16, forward: time ")


def test_a_peer_that_computes_something_else_is_refused():
    peer = Peer("SqueezeExcitation", "wrong", wrong)
    with pytest.raises(AssertionError, match="SqueezeExcitation and wrong differ"):
        tool.side_by_side(find("se"), peer, SMALL, device="cpu", compiled=False, seconds=0)


def test_rounds_of_all_processes_are_pooled():
    """Two processes, in one of which we were slower: the spread spans both, each pair by itself."""

    def row(ours, theirs, bytes_of_ours, **what):
        seconds = dict(ours=ours, theirs=theirs)
        return what | dict(seconds=seconds, bytes=dict(ours=bytes_of_ours, theirs=60))

    first, second = dict(mechanism="a", size=dict(dim=1)), dict(mechanism="b", size=dict(dim=1))
    rows = [
        row([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], 20, **first),
        row([1.0], [4.0], 15, **second),
        row([4.0, 4.0, 4.0, 4.0, 4.0], [2.0, 2.0, 2.0, 2.0, 3.0], 30, **first),
    ]
    pooled, alone = tool.pooled(rows)
    assert pooled.items() >= dict(first, processes=2, rounds=8, low=0.5, high=2.0).items()
    assert pooled["time_ratio"] == (0.5 + 0.75) / 2
    assert (pooled["ours_seconds"], pooled["theirs_seconds"]) == (4, 2)
    assert (pooled["ours_bytes"], pooled["memory_ratio"]) == (30, 2)
    assert (
        alone.items() >= dict(second, processes=1, rounds=1, time_ratio=4, memory_ratio=4).items()
    )


def test_a_mechanism_is_measured_in_all_processes(tmp_path):
    tool.main(["eca", "--seconds", "0", "--processes", "2", "--folder", str(tmp_path)])
    [path] = tmp_path.rglob("peers-eager.json")
    told = json.loads(path.read_text("utf-8"))
    assert told["provenance"]["command"] == "make peers ARGS='eca --seconds 0 --processes 2'"
    assert told["provenance"]["source"] == digests(["EfficientChannelAttention"])
    rows = told["rows"]
    assert {(row["allocator"], row["backward"]) for row in rows} == {
        (label, backward) for label in ALLOCATORS for backward in (False, True)
    }
    assert len(rows) == 4 * len(sizes_of(find("eca")))
    assert all(row["processes"] == 2 and row["rounds"] >= 6 for row in rows)


def test_tiny_numbers_are_taken_as_zero(tmp_path, monkeypatch):
    tiny = torch.tensor([1e-38])
    monkeypatch.setattr(tool, "measure", lambda options, label: (tiny / 100).tolist())
    answer = tmp_path / "measured.json"
    try:
        tool.main(["eca", "--part", "tuned", "--folder", str(answer)])
    finally:
        torch.set_flush_denormal(False)
    assert json.loads(answer.read_text("utf-8")) == [0] and (tiny / 100).item() > 0


def test_new_rows_of_a_mechanism_take_the_place_of_the_old():
    def row(mechanism, allocator, ratio):
        return dict(mechanism=mechanism, allocator=allocator, time_ratio=ratio)

    first = dict(command="make peers", commit="a", date="monday", device="cpu")
    first["source"] = dict(SqueezeExcitation="old", SimAM="old", ACmix="old")
    rows = [row(m, a, 1) for a in ALLOCATORS for m in ("SqueezeExcitation", "SimAM", "ACmix")]
    new = [row("SimAM", a, ratio) for a in ALLOCATORS for ratio in (2, 3)]
    later = first | dict(commit="b", date="tuesday", source=dict(SimAM="new"))
    made = tool.replaced(dict(provenance=first, rows=rows), provenance=later, rows=new)
    assert [made["rows"][i] for i in (0, 3, 4, 7)] == [rows[i] for i in (0, 2, 3, 5)]
    assert [made["rows"][i] for i in (1, 2, 5, 6)] == new
    told = dict(command="make peers", commit="b", date="tuesday")
    source = first["source"] | dict(SimAM="new")
    assert made["provenance"] == first | dict(later=[told], source=source)
    again = tool.replaced(made, provenance=later, rows=new)
    assert again["provenance"]["later"] == [told, told] and again["rows"] == made["rows"]


def test_nothing_is_replaced_without_names(capsys):
    with pytest.raises(SystemExit):
        tool.main(["--replace"])
    assert "--replace needs names" in capsys.readouterr().err


def test_the_mean_of_ratios_is_geometric():
    assert tool.geometric_mean([0.5, 2.0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "message"), [("epsa", "no peer of PyramidSplitAttention"), ("nobody", "nobody")]
)
def test_who_has_no_peer_is_told(name, message, capsys):
    with pytest.raises(SystemExit):
        tool.main([name])
    assert message in capsys.readouterr().err
