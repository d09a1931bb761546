"""Judges for the exercises on spatial attention."""

from collections.abc import Callable
from math import exp

import torch
from torch import Tensor

from attention_lib import checks
from attention_lib.spatial import CoordinateAttention, SpatialGroupEnhance
from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge


def _logistic(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def _by_hand(answer: Callable[[], tuple[list[float], list[float]]]) -> None:
    likeness, gates = _hand()
    hold_parts(answer(), {"the likeness t": (likeness, 0.006), "the gate": (gates, 0.006)})


def _hand(
    spread: float = 2.0,
    mean: float = 4.0,
    rule: Callable[[float], float] = _logistic,
    scale: float = 1.0,
    shift: float = 0.0,
) -> tuple[list[float], list[float]]:
    """The normalised likeness and the gates of exercise 1, to two decimals."""
    likeness = [(c - mean) / spread for c in (2.0, 6.0)]
    gates = [rule(scale * t + shift) for t in likeness]
    return [round(t, 2) for t in likeness], [round(gate, 2) for gate in gates]


def _parameters(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = []
    for channels, reduction, least in ((256, 32, 8), (64, 32, 8), (20, 3, 4)):
        module = CoordinateAttention(channels, reduction, min_hidden=least)
        wanted = sum(p.numel() for p in module.parameters())
        said = f"for {channels} channels, reduction={reduction}, min_hidden={least}"
        cases.append(((channels, reduction, least), wanted, said))
    hold_numbers(answer, cases, form=",")


def _counted(
    channels: int, hidden: float, layers: int = 3, before: int = 0, biases: int = 2
) -> float:
    """Matrices, the two vectors of the normalisation, and biases: in the middle, behind it."""
    return (layers * channels + 2 + before) * hidden + biases * channels


def _fourth(answer: Callable[[float, float, float], float]) -> None:
    corners = ((0.9, 0.8, 0.75), (0.6, 0.6, 0.6), (0.2, 0.5, 0.4))
    cases = [
        ((first, last, right), first * last / right, f"for {first}, {last} and {right}")
        for first, last, right in corners
    ]
    hold_numbers(answer, cases, form=".4f")


def _sge_gate(answer: Callable[[Tensor, int, Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for channels, groups, height, width in ((12, 3, 4, 5), (6, 6, 3, 3), (8, 2, 1, 1)):
        right = checks.randomize(SpatialGroupEnhance(channels, groups)).double()
        x = torch.randn(2, channels, height, width, dtype=EXACT) + 0.5
        given = answer(x, groups, right.scale.detach(), right.shift.detach())
        case = f"with {channels} channels, {groups} groups and a {height}×{width} map"
        hold_tensor(given, right.gate(x).detach(), case, allowed=1e-4)


def _gate(
    x: Tensor,
    groups: int,
    scale: Tensor,
    shift: Tensor,
    unit: bool = False,
    cosine: bool = False,
    centre: bool = True,
    over: tuple[int, ...] = (-1,),
    share: float = 1.0,
    power: float = 0.5,
    rule: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Tensor:
    """The gate of exercise 4, and what mistakes make of it.

    Args:
        unit: whether every place is brought to length 1 before it is compared.
        cosine: whether the mean is, too.
        centre: whether the mean likeness is taken off.
        over: the axes of likeness (batch, groups, places) that it is normalised over.
        share: what is taken off the number of places under the deviation is 1 less this.
        power: of the variance, which the likeness is divided by.
    """
    parts = x.unflatten(1, (groups, -1)).flatten(-2)
    mean = parts.mean(dim=-1, keepdim=True)
    parts = parts / parts.norm(dim=2, keepdim=True) if unit or cosine else parts
    mean = mean / mean.norm(dim=2, keepdim=True) if cosine else mean
    alike = (mean * parts).sum(dim=2)
    centred = alike - alike.mean(dim=over, keepdim=True)
    places = alike.shape[-1]
    deviation = centred.square().mean(dim=over, keepdim=True) ** power
    deviation = deviation * (places / max(places - 1 + share, 1e-9)) ** 0.5
    likeness = (centred if centre else alike) / (deviation + 1e-5)
    return rule(scale[:, None] * likeness + shift[:, None]).unflatten(-1, x.shape[2:])


def _attended(answer: Callable[[Tensor, float], Tensor]) -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, 7, dtype=EXACT)
    for factor, temperature in ((1.0, 1.0), (1.0, 0.25), (2.0, 4.0), (400.0, 5.0)):
        given = factor * scores
        weights = (temperature * given).softmax(dim=-1)
        case = f"for scores of about {factor:g} and T = {temperature:g}"
        hold_tensor(answer(given, temperature), (weights * given).sum(dim=-1), case)


def _weighted(scores: Tensor, logits: Tensor, dim: int = -1) -> Tensor:
    return (logits.softmax(dim=dim) * scores).sum(dim=-1)


def _raised(scores: Tensor, temperature: float) -> Tensor:
    return (temperature * scores).exp()


def _follows(answer: Callable[[], tuple[list[bool], list[bool]]]) -> None:
    parts = {
        "SpatialGroupEnhance": ([1, 1, 1, 1], 0.1),
        "CoordinateAttention": ([1, 1, 0, 0], 0.1),
    }
    hold_parts(answer(), parts)


def _rows_alone(answer: type[CoordinateAttention]) -> None:
    right = checks.randomize(CoordinateAttention(6, min_hidden=4)).double().eval()
    module = answer(6, min_hidden=4).double().eval()
    module.load_state_dict(right.state_dict())
    for height, width in ((4, 4), (3, 5)):
        x = torch.randn(2, 6, height, width, dtype=EXACT)
        given = module(x)
        assert given is not None, "forward returned nothing"
        wanted = right.row_gate(x)[..., None] * x
        hold_tensor(given, wanted, f"for a map of shape {tuple(x.shape)}")


def _with_gates(
    join: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> type[CoordinateAttention]:
    """Coordinate attention whose answer is made of x, row gates and column gates otherwise."""

    class Mistake(CoordinateAttention):
        def forward(self, x: Tensor) -> Tensor:
            return join(x, self.row_gate(x), self.column_gate(x))

    return Mistake


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "this is what comes out if the deviation divides by one place less": (
                lambda: _hand(8**0.5)
            ),
            "this is what comes out if the variance takes the place of the deviation": (
                lambda: _hand(4.0)
            ),
            "this is what comes out if the mean likeness is not taken off": (
                lambda: _hand(mean=0.0)
            ),
            "these are the products ℓ; t is what they are when brought to mean 0 and deviation 1": (
                lambda: _hand(1.0, mean=0.0)
            ),
            "this is what comes out without σ": lambda: _hand(rule=lambda logit: logit),
            "this is what comes out with the start values γ = 0 and β = 1": (
                lambda: _hand(scale=0.0, shift=1.0)
            ),
        },
    ),
    2: Judge(
        _parameters,
        mistakes={
            "this is what comes out if the middle may be narrower than its least width": (
                lambda channels, r, least: _counted(channels, channels // r)
            ),
            "this counts a bias before the normalisation, which takes it away again": (
                lambda channels, r, least: _counted(channels, max(channels // r, least), before=1)
            ),
            "this is what comes out if rows and columns share the last layer": (
                lambda channels, r, least: _counted(
                    channels, max(channels // r, least), layers=2, biases=1
                )
            ),
            "this is what comes out if the last layers have no biases": (
                lambda channels, r, least: _counted(channels, max(channels // r, least), biases=0)
            ),
            "this also counts running mean and variance, which are not learned": (
                lambda channels, r, least: _counted(channels, max(channels // r, least), before=2)
            ),
            "this leaves out the two vectors of the normalisation": (
                lambda channels, r, least: _counted(channels, max(channels // r, least), before=-2)
            ),
            "this counts the three matrices alone": lambda channels, r, least: _counted(
                channels, max(channels // r, least), before=-2, biases=0
            ),
            "a width is a whole number: C/r is rounded down": lambda channels, r, least: _counted(
                channels, max(channels / r, least)
            ),
        },
    ),
    3: Judge(
        _fourth,
        mistakes={
            "this sets the corner free; the three others fix it": lambda first, last, right: 0.0,
            "this takes the matrix for symmetric": lambda first, last, right: right,
            "this adds where the gates multiply": lambda first, last, right: first + last - right,
            "this is g₁₁ g₂₂; it is to be divided by g₁₂": lambda first, last, right: first * last,
            "this is the quotient upside down": lambda first, last, right: right / (first * last),
        },
    ),
    4: Judge(
        _sge_gate,
        mistakes={
            "this is what comes out if the deviation divides by one place less": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, share=0.0)
            ),
            "this is what comes out if each place is first brought to length 1": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, unit=True)
            ),
            "this is what comes out with the cosine in place of the product": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, cosine=True)
            ),
            "this is what comes out if the variance takes the place of the deviation": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, power=1.0)
            ),
            "this is what comes out if the mean likeness is not taken off": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, centre=False)
            ),
            "this is what comes out if all groups are normalised together": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, over=(-2, -1))
            ),
            "this is what comes out without σ": (
                lambda x, groups, scale, shift: _gate(x, groups, scale, shift, rule=torch.clone)
            ),
        },
    ),
    5: Judge(
        _attended,
        forbids=("softmax",),
        mistakes={
            "this is the mean, which T does not change": lambda scores, t: scores.mean(dim=-1),
            "this is the maximum, the limit for T = ∞": lambda scores, t: scores.amax(dim=-1),
            "this is what comes out if T divides the scores": (
                lambda scores, t: _weighted(scores, scores / t)
            ),
            "this is what comes out if the weights of a place sum to 1 over the classes": (
                lambda scores, t: _weighted(scores, t * scores, dim=0)
            ),
            "this is T times the attended score": lambda scores, t: (
                t * _weighted(scores, t * scores)
            ),
            "exp of a large number is infinite; the largest score is to be taken off first": (
                lambda scores, t: (_raised(scores, t) * scores).sum(-1) / _raised(scores, t).sum(-1)
            ),
            "the largest score comes off in exp alone; here it is missing from the answer": (
                lambda scores, t: _weighted(scores - scores.amax(-1, keepdim=True), t * scores)
            ),
            "the weights are to be divided by their sum": lambda scores, t: (
                _raised(scores - scores.amax(-1, keepdim=True), t) * scores
            ).sum(dim=-1),
        },
    ),
    6: Judge(
        _follows,
        mistakes={
            "this says that Coordinate follows all; but a transpose swaps rows and columns, whose "
            "last layers differ": lambda: ([1, 1, 1, 1], [1, 1, 1, 1]),
            "a transpose turns rows into columns, and their last layers differ": (
                lambda: ([1, 1, 1, 1], [1, 1, 1, 0])
            ),
            "a shuffle of all pixels changes which of them share a row": (
                lambda: ([1, 1, 1, 1], [1, 1, 0, 1])
            ),
            "the two are swapped": lambda: ([1, 1, 0, 0], [1, 1, 1, 1]),
            "a mean over all places, and a product at each, do not know the order of the places": (
                lambda: ([1, 1, 0, 0], [1, 1, 0, 0])
            ),
            "this says that Coordinate follows none; but a mean along a row moves with the row": (
                lambda: ([1, 1, 1, 1], [0, 0, 0, 0])
            ),
        },
    ),
    7: Judge(
        _rows_alone,
        mistakes={
            "this is what comes out with both gates": CoordinateAttention,
            "these are the columns' gates": _with_gates(
                lambda x, rows, columns: x * columns[..., None, :]
            ),
            "these are the rows' gates, but each is laid on a column": _with_gates(
                lambda x, rows, columns: x * rows[..., None, :]
            ),
            "this is the square of the rows' gates": _with_gates(
                lambda x, rows, columns: x * rows.square()[..., None]
            ),
            "this adds the gate to the map": _with_gates(
                lambda x, rows, columns: x + rows[..., None]
            ),
            "this takes one gate a channel, the mean over the rows": _with_gates(
                lambda x, rows, columns: x * rows.mean(dim=-1)[..., None, None]
            ),
        },
    ),
}
