"""What users do to a module: each check of it turns red on a module that does not bear it."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib import create
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.checks import use, verdict

TOKENS = dict(paper="", example=dict(dim=6), sizes=dict(batch=2, tokens=5))


class Plain(nn.Module):
    """A layer on tokens, which bears everything; the faults below are changes of it."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim
        self.layer = nn.Linear(dim, dim)

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return self.layer(x).tanh()


class Branches(Plain):
    """It asks a tensor for a number, and @shaped does not hide that from torch.fx."""

    def forward(self, x: Tokens) -> Tokens:
        return self.layer(x) if x.sum() > 0 else x


class Scalar(Plain):
    """What it learned beside its layer has no axis."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.scale = nn.Parameter(torch.tensor(0.5))


class HalfNorm(Plain):
    """Its norm is a standard layer with a part missing."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.norm = nn.LayerNorm(dim, bias=False)


FAULTS = [
    (use.check_fx_trace, Branches),
    (use.check_sharding, Scalar),
    (use.check_initialization, HalfNorm),
]


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=lambda value: value.__name__)
def test_each_check_turns_red(check, fault):
    assert verdict(check, Card(Plain, **TOKENS)) == ("passed", "")
    status, _ = verdict(check, Card(fault, **TOKENS))
    assert status == "failed"


def test_traced_by_itself_a_network_is_followed_and_its_mechanisms_are_leaves():
    network = create("resnet", depths=(1, 1), attention=lambda channels: create("se", channels))
    x = torch.randn(1, 3, 40, 40)
    graph = torch.fx.symbolic_trace(network.eval())
    assert_close(graph(x), network(x))
    leaves = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    assert "layer1.0.attention" in leaves and "layer1.0.attention.squash" not in leaves


def test_traced_by_itself_a_mechanism_says_that_it_is_a_leaf():
    with pytest.raises(TypeError, match=r"MultiHeadAttention: .* as a leaf"):
        torch.fx.symbolic_trace(create("mha", dim=8))
