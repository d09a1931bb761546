"""Checks of sequences: no token looks ahead, and decoding goes on from a state."""

from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.checks.common import arguments_of, loss, only, ready


def _may_be_causal(card: Card) -> bool:
    return card.kind == "sequence" or "causal" in arguments_of(card)


@only(_may_be_causal, "it has no argument causal and no state")
def check_causal(card: Card) -> None:
    """Causal, it answers bit for bit the same when later tokens change, and to rounding without.

    It is built with causal=True if it has such an argument.
    """
    switch = dict(causal=True) if "causal" in arguments_of(card) else {}
    mechanism, [x, *rest] = ready(card, **switch)
    assert properties.causal(lambda x: mechanism(x, *rest), x) == 0
    whole = mechanism(x, *rest)
    for tokens in range(1, x.shape[1]):
        assert_close(mechanism(x[:, :tokens], *rest), whole[:, :tokens])


@only(lambda card: card.kind == "sequence", "it is no sequence: it has no prefill and no step")
def check_steps(card: Card) -> None:
    """Cut anywhere, prefill and step go on from the state: outputs, states, gradients."""
    mechanism: Any  # whose prefill and step no type tells
    mechanism, [x] = ready(card)
    x.requires_grad_()
    leaves = [x, *mechanism.parameters()]
    _, last = mechanism.prefill(x)
    whole = mechanism(x), last
    wanted = torch.autograd.grad(loss(whole), leaves)
    for cut in range(x.shape[1] + 1):
        for by_steps in (True, False):
            parts = _in_parts(mechanism, x, cut, by_steps)
            assert_close(parts, whole, msg=partial("cut at {}: {}".format, cut))
            assert_close(torch.autograd.grad(loss(parts), leaves), wanted)


@only(lambda card: card.state, "no state is declared")
def check_declared_state(card: Card) -> None:
    """After one token or many it keeps as many numbers as declared."""
    mechanism: Any
    for tokens in (1, *(factor * card.free_sizes["tokens"] for factor in (1, 64))):
        with torch.device("meta"):
            mechanism, [x] = card.build(), card.inputs(batch=3, tokens=tokens)
        _, state = mechanism.prefill(x)
        _, after = mechanism.step(x[:, -1], state)
        for kept, read in ((state, tokens), (after, tokens + 1)):
            counted = sum(tensor.numel() for tensor in tree_leaves(kept))
            declared = card.cost("state", batch=3, tokens=read)
            assert counted == declared, f"{read} tokens: counted {counted}, declared {declared}"


def _in_parts(mechanism: Any, x: Tensor, cut: int, by_steps: bool) -> tuple:
    """The answer and the last state: a prefill up to the cut, then steps, or a second prefill."""
    state, parts = None, []
    if cut:
        first, state = mechanism.prefill(x[:, :cut])
        parts.append(first)
    rest = x[:, cut:].split(1 if by_steps else x.shape[1], dim=1) if cut < x.shape[1] else ()
    for piece in rest:
        before = deepcopy([tensor.detach() for tensor in tree_leaves(state)] if state else [])
        if by_steps:
            y, after = mechanism.step(piece[:, 0], state)
            y = y[:, None]
        else:
            y, after = mechanism.prefill(piece, state)
        assert_close(
            [t.detach() for t in tree_leaves(state)] if state else [], before, rtol=0, atol=0
        )
        parts.append(y)
        state = after
    return torch.cat(parts, dim=1), state
