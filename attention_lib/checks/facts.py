"""Checks of what a card and a docstring declare."""

import inspect
from dataclasses import replace

import torch
from torch import Tensor

from attention_lib.cards import properties
from attention_lib.cards.card import COSTS, Card
from attention_lib.checks.common import only, ready
from attention_lib.measure.cost import measure


def _has_properties(card: Card) -> bool:
    return card.properties is not None and bool(properties.applicable(card))


@only(lambda card: any(getattr(card, kind) for kind in COSTS), "no cost is declared")
def check_declared_cost(card: Card) -> None:
    """Parameters, multiply-adds and the largest tensor are what the formulas say, at any size."""
    # a prime, so that what is rounded or padded in the example is so in the large size too
    large = {axis: 61 * size for axis, size in card.free_sizes.items()}
    for arguments in ({}, *card.variants):
        ints = {k: v for k, v in arguments.items() if isinstance(v, int)}
        changed = replace(card, example={**card.example, **arguments})
        for batch, sizes in ((3, large),) if arguments else ((1, {}), (3, large)):
            with torch.device("meta"):
                mechanism, inputs = changed.build(), changed.inputs(batch=batch, **ints, **sizes)
            counted = measure(mechanism, *inputs)
            for kind in COSTS if sizes else COSTS[:2]:  # in a tiny case a weight may be largest
                declared = changed.cost(kind, batch=batch, **sizes)
                there = f"{card} with {arguments or 'its example'}, {batch=}, {sizes}"
                found = getattr(counted, kind)
                assert found == declared, f"{there}: {kind} counted {found}, declared {declared}"


@only(_has_properties, "no property is declared, or none compares such an answer with the input")
def check_properties(card: Card) -> None:
    """A property is claimed exactly where it holds."""
    mechanism, [x, *rest] = ready(card)
    claimed = card.properties or ()

    def answer(x: Tensor) -> Tensor:
        return mechanism(x, *rest)

    for p in properties.applicable(card):
        gap = p(answer, x)
        assert (gap < 1e-9) == (p in claimed), f"{card}: {p.__name__} is off by {gap:.1e}"


def check_docstring(card: Card) -> None:
    """A summary, a formula, and a word on each argument."""
    text = inspect.getdoc(card.mechanism) or ""
    assert card.summary.endswith("."), "the first line must be one sentence"
    assert card.formula, "no formula: add a '.. math::' block"
    for name in inspect.signature(card.mechanism).parameters:
        assert f"    {name}: " in text, f"argument {name} is not described under Args:"
    if card.rejects:
        assert "Raises:" in text
