"""Checks of what users do to a module: they trace, shard and initialize it, and change its layers."""

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from attention_lib.cards.card import Card
from attention_lib.checks.common import ready


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
