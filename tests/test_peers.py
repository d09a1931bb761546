"""Peers are compared fairly: nobody is forgotten, answers are equal, ratios are theirs / ours."""

from importlib import import_module

import pytest
import torch
from torch import nn

from attention_lib.bench import realistic
from attention_lib.catalog import catalog, find
from attention_lib.checks import randomize
from tests.oracles.peers import MORE, NOT_COMPILED, NOT_TIMED, SIZES, Peer, peers
from tools import peers as tool


def test_every_oracle_is_timed_or_has_a_reason():
    oracles = {
        name
        for card in catalog()
        for name in import_module(f"tests.oracles.{card.family}").ORACLES.get(str(card), {})
    }
    assert NOT_TIMED.keys() | NOT_COMPILED.keys() <= oracles
    timed = {str(card): peers(str(card), card.family) for card in catalog()}
    assert oracles <= {peer.name for found in timed.values() for peer in found} | NOT_TIMED.keys()
    assert SIZES.keys() == {name for name, found in timed.items() if found}
    assert all(len(sizes) == 2 and sizes[0] != sizes[1] for sizes in SIZES.values())


@pytest.mark.parametrize(
    ("mechanism", "name"), [(m, name) for m, found in MORE.items() for name in found]
)
def test_a_peer_that_is_no_oracle_is_equal_too(mechanism, name):
    torch.manual_seed(0)
    large = realistic(find(mechanism), **SIZES[mechanism][0] | dict(batch=1))
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


def test_a_ratio_above_one_says_that_ours_is_ahead():
    peer = Peer("SqueezeExcitation", "slower", slower)
    options = dict(device="cpu", compiled=False, seconds=0.2)
    forward, both = tool.side_by_side(find("se"), peer, SMALL, **options)
    assert (forward["backward"], both["backward"]) == (False, True)
    for row in (forward, both):
        assert row["low"] <= row["time_ratio"] <= row["high"]
        assert row["time_ratio"] > 3 and row["memory_ratio"] > 3
        assert row["theirs_bytes"] > 3 * row["ours_bytes"] > 0
        assert row["theirs_seconds"] > 3 * row["ours_seconds"] > 0
    assert tool.told(forward).startswith("slower, channels=32 height=16 width=16, forward: time ")


def test_a_peer_that_computes_something_else_is_refused():
    peer = Peer("SqueezeExcitation", "wrong", wrong)
    with pytest.raises(AssertionError, match="SqueezeExcitation and wrong differ"):
        tool.side_by_side(find("se"), peer, SMALL, device="cpu", compiled=False, seconds=0)


def test_the_mean_of_ratios_is_geometric():
    assert tool.geometric_mean([0.5, 2.0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "message"), [("psa", "no peer of PyramidSplitAttention"), ("nobody", "nobody")]
)
def test_who_has_no_peer_is_told(name, message, capsys):
    with pytest.raises(SystemExit):
        tool.main([name])
    assert message in capsys.readouterr().err
