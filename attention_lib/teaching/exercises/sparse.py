"""Judges for the exercises on sparse attention."""

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from attention_lib.teaching.exercises.numbers import (
    EXACT,
    as_tensor,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge

Place = tuple[int, int]


def _cross(answer: Callable[[], tuple[int, float]]) -> None:
    places, times = _counted(193)
    parts = {"the number of places": ([places], 0.5), "how many times fewer": ([times], 0.3)}
    hold_parts(answer(), parts)


def _counted(places: float, of: float = 97 * 97) -> tuple[float, float]:
    return places, round(of / places, 1)


def _reachable(answer: Callable[[int, int, int, int], float]) -> None:
    cases = [
        (sizes, _share(*sizes), f"for block, halo, steps, columns = {sizes}")
        for sizes in ((3, 1, 2, 12), (3, 0, 1, 12), (6, 0, 3, 12), (3, 3, 4, 12), (2, 1, 5, 9))
    ]
    hold_numbers(answer, cases, form=".4f")


def _share(
    block: int,
    halo: int,
    steps: int,
    columns: int,
    guess: float = 1 / 8,
    all_columns: bool = False,
    from_place: bool = False,
    always: bool = False,
) -> float:
    """The accuracy of exercise 2, and what mistakes make of it.

    Args:
        guess: how often who does not see is right.
        all_columns: whether columns without an answer count too.
        from_place: whether the halo is counted from the place, not from its block.
        always: whether those who see are right by guessing once more.
    """
    asked = range(columns - steps)
    ends = [j + halo + 1 if from_place else (j // block + 1) * block + halo for j in asked]
    seen = sum(j + steps < end for j, end in zip(asked, ends, strict=True))
    share = seen / (columns if all_columns else len(asked))
    return share + guess * (1 if always else 1 - share)


def _roads(answer: Callable[[int, int, Place, Place], int]) -> None:
    pairs: list[tuple[Place, Place]] = [
        ((0, 0), (2, 3)),
        ((1, 1), (1, 4)),
        ((3, 2), (0, 2)),
        ((2, 2), (2, 2)),
    ]
    cases = [
        ((4, 7, one, other), _meet(4, 7, one, other), f"on 4×7 places, from {other} to {one},")
        for one, other in pairs
    ]
    hold_numbers(answer, cases, form="d")


def _meet(
    height: int, width: int, one: Place, other: Place, standing: bool = True, twice: bool = False
) -> int:
    """How many places two crosses share.

    Args:
        standing: whether the two places themselves may be in between.
        twice: whether a place counts in its row and again in its column.
    """
    roads = 0
    for place in product(range(height), range(width)):
        if not standing and place in (one, other):
            continue
        both = [place[0] == end[0] or place[1] == end[1] for end in (one, other)]
        roads += all(both) * (2 if twice and place == one == other else 1)
    return roads


def _field(answer: Callable[[int, int, int], int]) -> None:
    cases = [
        (sizes, _span(*sizes), f"for block, halo, layers = {sizes}")
        for sizes in ((6, 2, 1), (6, 2, 2), (8, 3, 3), (3, 3, 4), (5, 0, 3))
    ]
    hold_numbers(answer, cases, form="d")


def _span(block: int, halo: int, layers: int) -> int:
    return (2 * layers - 1) * block + 2 * halo if halo else block


def _in_the_end(answer: Callable[[list[Tensor]], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    for places, layers in ((7, 1), (7, 2), (9, 3)):
        reads = [
            (torch.rand(places, places, generator=generator) < 0.2) | torch.eye(places).bool()
            for _ in range(layers)
        ]
        given, wanted = as_tensor(answer(reads)).to(EXACT), _product(reads).to(EXACT)
        case = f"for {layers} layers of {places} places"
        if given.shape == wanted.shape:
            wrong = int((given != wanted).sum())
            assert not wrong, f"{case} {wrong} of {wanted.numel()} pairs are wrong"
        hold_tensor(given, wanted, case)


def _product(layers: Sequence[Tensor], last_first: bool = True) -> Tensor:
    return _roads_of(layers, last_first) > 0


def _roads_of(layers: Sequence[Tensor], last_first: bool = True) -> Tensor:
    """By how many roads each place hears of each other."""
    roads = torch.eye(len(layers[0]), dtype=EXACT)
    for layer in layers:
        roads = layer.to(EXACT) @ roads if last_first else roads @ layer.to(EXACT)
    return roads


def _between(answer: Callable[[Tensor, float, float], Tensor]) -> None:
    x = torch.randn(4, 5, dtype=EXACT, generator=torch.Generator().manual_seed(0))
    places = [(0.25, 0.5), (1.75, 3.25), (2.0, 1.0), (0.0, 2.625), (3.0, 4.0), (2.375, 4.0)]
    for row, column in places:  # eighths: weights in float32 are exact too
        given = as_tensor(answer(x, row, column))
        assert given.numel() == 1, f"it is one number, not {given.numel()}"
        case = f"at row {row} and column {column} of 4×5 pixels"
        hold_tensor(given.reshape(()), _read(x, row, column), case)


def _read(x: Tensor, row: float, column: float) -> Tensor:
    """The weights of all pixels of a row, or of a column, fall to 0 within one pixel."""
    weights = [
        (1 - (torch.arange(size, dtype=EXACT) - place).abs()).clamp(min=0)
        for size, place in zip(x.shape, (row, column), strict=True)
    ]
    return weights[0] @ x @ weights[1]


def _swapped(x: Tensor, row: float, column: float) -> Tensor:
    return _read(x, min(column, x.shape[0] - 1), min(row, x.shape[1] - 1))


def _far_weighs_most(x: Tensor, row: float, column: float) -> Tensor:
    ends = [2 * int(place) + 1 - place if place % 1 else place for place in (row, column)]
    return _read(x, *ends)


def _countable(answer: Callable[[list[float]], float]) -> None:
    cases = [
        ((lines,), _accuracy(lines), f"for rows and columns {lines}")
        for lines in ([0, 15], [0, 5, 10, 15], [3.5, 11.5], [4, 12], [7])
    ]
    hold_numbers(answer, cases, form=".4f")


def _accuracy(
    lines: Sequence[float],
    reads: float = 2,
    guess: float = 1 / 6,
    power: int = 2,
    quarters: bool = True,
) -> float:
    """The accuracy of exercise 7, and what mistakes make of it.

    Args:
        lines: the rows, and columns, of the points.
        reads: a point sees what is less than so many pixels away.
        guess: how often who sees nothing is right.
        power: 2 if a blob must be seen in rows and in columns, 1 if in either.
        quarters: whether there are four blobs, or one.
    """
    shares = []
    for first in (0, 8):
        tops = range(first, first + 7)
        seen = [any(abs(t + pixel - p) < reads for p in lines for pixel in (0, 1)) for t in tops]
        shares.append(sum(seen) / len(seen))
    missed = 1.0
    for rows, columns in product(shares, shares):
        missed *= 1 - (rows * columns if power == 2 else rows)
    seen_any = 1 - missed if quarters else shares[0] ** 2
    return seen_any + guess * (1 - seen_any)


JUDGES = {
    1: Judge(
        _cross,
        mistakes={
            "this counts the place itself twice": lambda: _counted(194),
            "this leaves out the place itself": lambda: _counted(192),
            "this is a row alone": lambda: _counted(97),
            "this is what two passes reach": lambda: _counted(97 * 97),
            "the second is upside down: how many times fewer?": lambda: (193, 193 / 97**2),
        },
    ),
    2: Judge(
        _reachable,
        mistakes={
            "this also counts columns that are not asked": (
                lambda block, halo, steps, columns: _share(
                    block, halo, steps, columns, all_columns=True
                )
            ),
            "this leaves out the guesses": lambda block, halo, steps, columns: _share(
                block, halo, steps, columns, guess=0
            ),
            "this counts the halo from the place; it begins where the block ends": (
                lambda block, halo, steps, columns: _share(
                    block, halo, steps, columns, from_place=True
                )
            ),
            "this forgets the halo": (
                lambda block, halo, steps, columns: _share(block, 0, steps, columns)
            ),
            "this also lets those guess who see the answer": (
                lambda block, halo, steps, columns: _share(block, halo, steps, columns, always=True)
            ),
        },
    ),
    3: Judge(
        _roads,
        mistakes={
            "this is one road; a place in between may lie in either row": (
                lambda height, width, one, other: 1
            ),
            "this is right where rows and columns both differ": (
                lambda height, width, one, other: 2
            ),
            "this leaves out the roads on which one pass stays where it is": (
                lambda height, width, one, other: _meet(height, width, one, other, standing=False)
            ),
            "this counts a place twice in its own cross": lambda height, width, one, other: _meet(
                height, width, one, other, twice=True
            ),
            "height and width are swapped": (
                lambda height, width, one, other: (
                    _meet(width, height, one[::-1], other)
                    if one == other
                    else 2
                    if one[0] != other[0] and one[1] != other[1]
                    else height
                    if one[0] == other[0]
                    else width
                )
            ),
        },
    ),
    4: Judge(
        _field,
        mistakes={
            "this is how a convolution grows: by the halo alone": (
                lambda block, halo, layers: block + 2 * halo * layers
            ),
            "this adds the halo in every layer; the next blocks are read whole": (
                lambda block, halo, layers: (
                    (2 * layers - 1) * block + 2 * halo * layers if halo else block
                )
            ),
            "without a halo no layer sees beyond its block": (
                lambda block, halo, layers: (2 * layers - 1) * block + 2 * halo
            ),
            "this forgets the last halo": (
                lambda block, halo, layers: (2 * layers - 1) * block if halo else block
            ),
            "this adds a block on one side only": (
                lambda block, halo, layers: layers * block + 2 * halo if halo else block
            ),
        },
    ),
    5: Judge(
        _in_the_end,
        mistakes={
            "the layers are in the wrong order: the last one reads last": (
                lambda layers: _product(layers, last_first=False)
            ),
            "this says who reads whom in some layer": (
                lambda layers: torch.stack(layers).any(dim=0)
            ),
            "this says who reads whom in every layer": (
                lambda layers: torch.stack(layers).all(dim=0)
            ),
            "this counts the roads; asked is whether there is one": _roads_of,
            "this is the last layer alone": lambda layers: layers[-1],
        },
    ),
    6: Judge(
        _between,
        forbids=("grid_sampler_2d",),
        mistakes={
            "row and column are swapped": _swapped,
            "this reads the nearest pixel": (
                lambda x, row, column: x[int(row + 0.5), int(column + 0.5)]
            ),
            "this reads the pixel above and to the left": (
                lambda x, row, column: x[int(row), int(column)]
            ),
            "the weights are swapped: the nearer pixel weighs more": _far_weighs_most,
            "this reads between the rows, but not between the columns": (
                lambda x, row, column: _read(x, row, int(column))
            ),
        },
    ),
    7: Judge(
        _countable,
        mistakes={
            "this forgets that the convolution reads one step further": (
                lambda lines: _accuracy(lines, reads=1)
            ),
            "this leaves out the guesses": lambda lines: _accuracy(lines, guess=0),
            "this is the share of one quarter; there are four blobs": (
                lambda lines: _accuracy(lines, quarters=False)
            ),
            "this asks for rows alone; columns must fit too": (
                lambda lines: _accuracy(lines, power=1)
            ),
            "this guesses among eight kinds; there are six colours": (
                lambda lines: _accuracy(lines, guess=1 / 8)
            ),
        },
    ),
}
