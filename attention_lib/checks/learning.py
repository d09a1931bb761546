"""Checks of gradients: they are right, reach every parameter, and are not needed."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.checks.common import all_reached, floats, is_float, loss, only, ready


def _learns(card: Card) -> bool:
    with torch.device("meta"):
        return any(parameter.requires_grad for parameter in card.build().parameters())


def check_gradients(card: Card) -> None:
    """Autograd agrees with finite differences, and reaches every parameter."""
    mechanism, inputs = ready(card)
    wanted = floats(inputs, lambda x: x.requires_grad_())
    again = 1e-9 if wanted[0].is_cuda else 0.0  # a GPU may add up in another order each time
    function: Callable = mechanism
    if card.layout == "ids":  # which have no gradient: the parameters' is held to it
        names, learned = zip(*mechanism.named_parameters(), strict=True)
        wanted, ids = list(learned), wanted

        def function(*parameters: Tensor) -> Tensor:
            return functional_call(mechanism, dict(zip(names, parameters, strict=True)), tuple(ids))

    assert torch.autograd.gradcheck(function, wanted, fast_mode=True, nondet_tol=again)
    loss(mechanism(*inputs)).backward()
    all_reached(mechanism)


def check_without_gradients(card: Card) -> None:
    """Where no gradients are wanted, or parameters are frozen, another path gives the same answer.

    So does the way back through frozen parameters to the input.  Every variant is tried.
    """
    for arguments in ({}, *card.variants):
        mechanism, inputs = ready(card, **arguments)
        with torch.no_grad():
            answer = mechanism(*inputs)
        tensors = [x for x in floats(inputs, lambda x: x.requires_grad_()) if is_float(x)]
        gradients = []
        for learns in (True, False):
            y = mechanism.requires_grad_(learns)(*inputs)
            assert_close([t.detach() for t in tree_leaves(y)], tree_leaves(answer))
            gradients.append(torch.autograd.grad(loss(y), tensors) if tensors else ())
        assert_close(*gradients)


@only(_learns, "it has no parameters, so nothing in it is trained")
def check_trains(card: Card) -> None:
    """In training mode one step reaches every parameter, also if the input needs no gradient."""
    mechanism, inputs = ready(card)
    mechanism.train()
    loss(mechanism(*inputs)).backward()
    all_reached(mechanism)
