"""Checks of what users do: trace a module, shard it, initialize it, replace its layers."""

import warnings

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.checks.common import LAYERS, MAPS, NORMS, Network, loss, optional_inputs, ready


class _Replaced(nn.Module):
    """What takes the place of a layer: it calls it, changes its answer, and hides its weights."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y * torch.linspace(1, 2, y.numel(), dtype=y.dtype, device=y.device).view_as(y)


def check_fx_trace(card: Card) -> None:
    """torch.fx traces a network that holds it, and the graph gives the same answer."""
    mechanism, [x, *rest] = ready(card)
    graph = torch.fx.symbolic_trace(Network(mechanism, rest).eval())
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
        elif isinstance(layer, MAPS):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    assert all(y.isfinite().all() for y in tree_leaves(mechanism(*inputs)))


def check_layers_are_called(card: Card) -> None:
    """Layers are called, not read past: one that is adapted, hooked or int8 has its effect."""
    for options in ({}, optional_inputs(card)):
        mechanism, inputs = ready(card)
        answer = tree_leaves(mechanism(*inputs, **options))
        for name, layer in list(mechanism.named_modules()):
            if name and type(layer) in LAYERS:
                mechanism.set_submodule(name, _Replaced(layer))
                changed = tree_leaves(mechanism(*inputs, **options))
                mechanism.set_submodule(name, layer)
                same = all(torch.equal(a, b) for a, b in zip(answer, changed, strict=True))
                assert not same, f"{name} is replaced, and nothing changes"


def check_vmap(card: Card) -> None:
    """torch.func.vmap over inputs gives what one after the other gives, and its gradients."""
    mechanism, [x, *rest] = ready(card)
    several = torch.stack([x, x.flip(0)])
    leaves = list(mechanism.parameters())
    with warnings.catch_warnings():
        # of torch's operations that it runs one after the other
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        together = torch.func.vmap(lambda x: mechanism(x, *rest))(several)
    one_by_one = [tree_leaves(mechanism(each, *rest)) for each in several]
    wanted = [torch.stack(answers) for answers in zip(*one_by_one, strict=True)]
    assert_close(tree_leaves(together), wanted)
    if leaves:
        gradients = (torch.autograd.grad(loss(answer), leaves) for answer in (together, wanted))
        assert_close(*gradients)
