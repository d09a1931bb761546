"""Checks of what users do: trace a module, shard it, initialize it, replace its layers."""

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.checks.common import ready

NORMS = nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
LAYERS = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d


class _Network(nn.Module):
    """A network that holds the module, and gives it what is no symbol."""

    def __init__(self, part: nn.Module, rest: list):
        super().__init__()
        self.part, self.rest = part, rest

    def forward(self, x: Tensor) -> object:
        return self.part(x, *self.rest)


def check_fx_trace(card: Card) -> None:
    """torch.fx traces a network that holds it, and the graph gives the same answer."""
    mechanism, [x, *rest] = ready(card)
    graph = torch.fx.symbolic_trace(_Network(mechanism, rest).eval())
    assert_close(graph(x), mechanism(x, *rest))


def check_sharding(card: Card) -> None:
    """Every parameter has an axis along which torch's FSDP can cut it."""
    numbers = [name for name, each in card.build().named_parameters() if each.ndim == 0]
    assert not numbers, f"no axis: {', '.join(numbers)}"


def check_initialization(card: Card) -> None:
    """The usual loop over layers runs: norms to 1 and 0, other weights random, biases to 0."""
    mechanism, inputs = ready(card)
    for layer in mechanism.modules():
        if isinstance(layer, NORMS):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, LAYERS):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    assert all(y.isfinite().all() for y in tree_leaves(mechanism(*inputs)))
