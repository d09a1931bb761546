"""Properties one can run: each returns how far a mechanism is from keeping it.

    >>> properties.token_permutation_equivariant(MultiHeadAttention(64), torch.randn(1, 10, 64))
    1.2e-07

A card names the properties its mechanism keeps.  The tests measure each on every mechanism it
applies to, so a tick in the book's tables was earned, and so was a blank.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.cards.card import Card

Mechanism = Callable[[Tensor], Tensor]  # a module, or a function that calls one


def token_permutation_equivariant(mechanism: Mechanism, x: Tensor) -> float:
    """Shuffle the tokens, and the answers are shuffled alike."""
    order = torch.randperm(x.shape[1])
    return _gap(mechanism(x[:, order]), mechanism(x)[:, order])


def causal(mechanism: Mechanism, x: Tensor) -> float:
    """Change a token, and no answer before it changes by a single bit."""
    middle = x.shape[1] // 2
    changed = torch.cat([x[:, :middle], x[:, middle:] + 1], dim=1)
    return _gap(mechanism(changed)[:, :middle], mechanism(x)[:, :middle])


def pixel_permutation_equivariant(mechanism: Mechanism, x: Tensor) -> float:
    """Shuffle the pixels, and the answers are shuffled alike."""
    order = torch.randperm(x[0, 0].numel())

    def shuffled(maps: Tensor) -> Tensor:
        return maps.flatten(-2)[..., order].view_as(maps)

    return _gap(mechanism(shuffled(x)), shuffled(mechanism(x)))


def shift_equivariant(mechanism: Mechanism, x: Tensor) -> float:
    """Roll the map round its edges, and the answer rolls with it."""
    by = dict(shifts=(1, 2), dims=(-2, -1))
    return _gap(mechanism(x.roll(**by)), mechanism(x).roll(**by))


def mirror_equivariant(mechanism: Mechanism, x: Tensor) -> float:
    """Mirror the map left to right, and the answer is mirrored."""
    return _gap(mechanism(x.flip(-1)), mechanism(x).flip(-1))


def only_attenuates(mechanism: Mechanism, x: Tensor) -> float:
    """No number grows or changes its sign: the mechanism only turns things down."""
    y = mechanism(x)
    return max((y.abs() - x.abs()).max().item(), (-y * x).max().item(), 0.0)


ON_TOKENS = (token_permutation_equivariant, causal)
ON_MAPS = (
    pixel_permutation_equivariant,
    shift_equivariant,
    mirror_equivariant,
    only_attenuates,
)


def applicable(card: Card) -> tuple[Callable[[Mechanism, Tensor], float], ...]:
    """The properties that can be measured: none if the answer is not shaped like the input."""
    if not card.comparable:
        return ()
    return {"tokens": ON_TOKENS, "maps": ON_MAPS}.get(card.layout, ())


def _gap(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()
