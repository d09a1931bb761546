"""Judges for the exercises on mixing."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.mixing import GlobalFilter
from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    as_tensor,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge


def _by_hand(answer: Callable[[], list[float]]) -> None:
    hold_parts([answer()], {"the answer y": ([-0.5, 0.5, -0.5, 0.5], 1e-6)})


def _parameters(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = []
    for channels, height, width in ((64, 14, 14), (3, 4, 7), (5, 9, 2), (2, 3, 1)):
        filtering = GlobalFilter(channels, height, width)
        said = f"for {channels} channels, {height} rows and {width} columns"
        cases.append(((channels, height, width), filtering.filter.numel(), said))
    hold_numbers(answer, cases, form=",")


def _ring(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for batch, length in ((2, 5), (3, 4), (1, 1)):
        x, kernel = torch.randn(batch, length, dtype=EXACT), torch.randn(length, dtype=EXACT)
        wanted = torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(kernel), n=length)
        hold_tensor(answer(x, kernel), wanted, f"for a row of {length} places")


def _turned(x: Tensor, kernel: Tensor, to_the_right: bool) -> Tensor:
    """Rolled copies, each times a number of the kernel; the other way, it is read backwards."""
    steps = range(len(kernel)) if to_the_right else range(0, -len(kernel), -1)
    rolled = [w * x.roll(step, -1) for step, w in zip(steps, kernel, strict=True)]
    return torch.stack(rolled).sum(dim=0)


def _not_closed(x: Tensor, kernel: Tensor) -> Tensor:
    """What leaves at one edge is lost."""
    places = [F.pad(x, (step, 0))[:, : x.shape[1]] for step in range(len(kernel))]
    return torch.stack([w * p for w, p in zip(kernel, places, strict=True)]).sum(dim=0)


def _centred(x: Tensor, kernel: Tensor) -> Tensor:
    return _turned(x, kernel, to_the_right=True).roll(-(len(kernel) // 2), -1)


def _shift(answer: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for shape in ((2, 8, 3, 4), (1, 6, 4, 3), (1, 3, 2, 5), (1, 4, 1, 1)):
        x = torch.randn(shape, dtype=EXACT)
        before = x.clone()
        given, case = answer(x), f"for a map of shape {shape}"
        hold_tensor(given, moved(before), case)
        assert torch.equal(x, before), f"{case} the answer is right, but x has been changed"


RIGHT, LEFT, DOWN, UP = (-1, 1), (-1, -1), (-2, 1), (-2, -1)  # axis and step


def moved(
    x: Tensor,
    ways: tuple[tuple[int, int], ...] = (RIGHT, LEFT, DOWN, UP),
    step: Callable[[Tensor, int, int], Tensor] | None = None,
    cuts: tuple[int, ...] | None = None,
) -> Tensor:
    """Four quarters of the channels, each moved one place; what is left over stays where it is."""
    channels = x.shape[1]
    cuts = cuts or (channels // 4, channels // 2, channels * 3 // 4)
    quarters = x.tensor_split(cuts, dim=1)
    steps = [(step or _copied)(part, *way) for part, way in zip(quarters, ways, strict=False)]
    return torch.cat([*steps, *quarters[4:]], dim=1)


def _copied(x: Tensor, axis: int, step: int) -> Tensor:
    """Each place has what was `step` places before it; the first keep their own."""
    length = x.shape[axis]
    source = (torch.arange(length) - step).clamp(0, length - 1)
    return x.index_select(axis, source)


def _rolled(x: Tensor, axis: int, step: int) -> Tensor:
    return x.roll(step, axis)


def _emptied(x: Tensor, axis: int, step: int) -> Tensor:
    source = torch.arange(x.shape[axis]) - step
    inside = ((source >= 0) & (source < len(source))).to(x)
    return _copied(x, axis, step) * (inside if axis == -1 else inside[:, None])


def _smeared(x: Tensor, axis: int, step: int) -> Tensor:
    """In place from the first to the last: to the right and down each copies what was copied."""
    if step < 0:
        return _copied(x, axis, step)
    return x.narrow(axis, 0, 1).expand_as(x)


def _by_equal_quarters(x: Tensor) -> Tensor:
    quarter = x.shape[1] // 4
    return moved(x, cuts=(quarter, 2 * quarter, 3 * quarter, 4 * quarter))


def _by_first_quarters(x: Tensor) -> Tensor:
    quarter = x.shape[1] // 4
    return moved(x, cuts=(quarter, 2 * quarter, 3 * quarter))


def _layers(answer: Callable[[int, int], int]) -> None:
    cases: list[Case] = [
        ((height, width), height + width - 2, f"for {height} × {width} places")
        for height, width in ((8, 8), (4, 7), (1, 5), (14, 14))
    ]
    hold_numbers(answer, cases, form=",")


def _look_up(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for samples, side in ((4, 9), (2, 10)):
        vectors = F.normalize(torch.randn(6, 8, dtype=EXACT), dim=1)
        carried, maps, marks = _marked(samples, side, vectors)
        given = as_tensor(answer(maps, vectors))
        wanted = marks.gather(1, carried.flatten(1)).view_as(carried)
        assert given.shape == wanted.shape, (
            f"it has shape {tuple(given.shape)}, wanted is {tuple(wanted.shape)}: "
            "one mark for each place"
        )
        right = (given == wanted).double().mean()
        assert right == 1, f"{right:.0%} of the places get the right mark"


def _marked(samples: int, side: int, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which vector each place carries, the maps, and the mark of each vector in each map."""
    places = side * side
    carried = torch.randint(6, (samples, places))
    spot = torch.rand(samples, places).argsort(dim=1)[:, :6]
    carried.scatter_(1, spot, torch.arange(6).expand_as(spot))
    marks = torch.randint(4, (samples, 6))
    written = torch.zeros(samples, places, 4, dtype=vectors.dtype)
    seen = F.one_hot(marks, 4).to(vectors)
    written.scatter_(1, spot[..., None].expand(-1, -1, 4), seen)
    maps = torch.cat([vectors[carried], written], dim=2).mT.unflatten(2, (side, side))
    return carried.view(samples, side, side), maps, marks


def looked_up(
    maps: Tensor, vectors: Tensor, sign: int = 1, over: tuple[int, ...] = (-1, -2)
) -> Tensor:
    """The mark of each place's vector: which of them it carries, times the table of the marks."""
    likeness = torch.einsum("vf,bfij->bvij", vectors, maps[:, :8])
    own = F.one_hot((sign * likeness).argmax(dim=1), 6).movedim(-1, 1).to(maps)
    pairs = own[:, :, None] * maps[:, None, 8:]  # (samples, vectors, marks, height, width)
    table = pairs.sum(dim=over, keepdim=True)
    return (own[:, :, None] * table).sum(dim=1).argmax(dim=1)


def _most_frequent(maps: Tensor, vectors: Tensor) -> Tensor:
    return maps[:, 8:].sum(dim=(2, 3), keepdim=True).argmax(dim=1).expand_as(maps[:, 0])


def _own_vector(maps: Tensor, vectors: Tensor) -> Tensor:
    return torch.einsum("vf,bfij->bvij", vectors, maps[:, :8]).argmax(dim=1)


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "the way back divides by the number of places": lambda: [-2, 2, -2, 2],
            "the signs are turned round": lambda: [0.5, -0.5, 0.5, -0.5],
            "the fastest wave counts once, for it is its own mirror wave": lambda: [-1, 1, -1, 1],
            "this is the slowest wave, the mean": lambda: [2.5, 2.5, 2.5, 2.5],
            "the fastest wave is to be kept, and here it is taken away": lambda: [
                1.5,
                1.5,
                3.5,
                3.5,
            ],
        },
    ),
    2: Judge(
        _parameters,
        mistakes={
            "half of the columns mirror the others and are not kept": lambda c, h, w: 2 * c * h * w,
            "a complex number is two real ones": lambda c, h, w: c * h * (w // 2 + 1),
            "the column of the slowest waves is missing": lambda c, h, w: 2 * c * h * (w // 2),
            "the columns are halved, not the rows": lambda c, h, w: 2 * c * w * (h // 2 + 1),
            "only one of the two axes is halved": (
                lambda c, h, w: 2 * c * (h // 2 + 1) * (w // 2 + 1)
            ),
            "it is half of the columns and one more": lambda c, h, w: c * h * w,
            "each channel has a filter of its own": lambda c, h, w: 2 * h * (w // 2 + 1),
        },
    ),
    3: Judge(
        _ring,
        forbids=("fft", "convolution"),
        mistakes={
            "the kernel is read the other way round, as a convolution layer does": partial(
                _turned, to_the_right=False
            ),
            "what leaves at one edge does not come in at the other": _not_closed,
            "the kernel is centred; number 0 of it belongs to the place itself": _centred,
            "the numbers are multiplied place by place": lambda x, kernel: x * kernel,
            "every place is to read all of x, each with a number of the kernel": (
                lambda x, kernel: (x @ kernel)[:, None].expand_as(x)
            ),
        },
    ),
    5: Judge(
        _shift,
        mistakes={
            "what leaves at one edge comes in at the other": partial(moved, step=_rolled),
            "a place to which nothing is moved is to keep its own, not become 0": (
                partial(moved, step=_emptied)
            ),
            "it was copied in place: what is moved has been overwritten before": (
                partial(moved, step=_smeared)
            ),
            "where 4 does not divide C, channels are left out": _by_equal_quarters,
            "where 4 does not divide C, the last quarter has got too many channels": (
                _by_first_quarters
            ),
            "right and left, down and up are exchanged": partial(
                moved, ways=(LEFT, RIGHT, UP, DOWN)
            ),
            "rows and columns are exchanged": partial(moved, ways=(DOWN, UP, RIGHT, LEFT)),
        },
    ),
    6: Judge(
        _layers,
        mistakes={
            "a layer moves each feature along one axis, never diagonally": lambda h, w: (
                max(h, w) - 1
            ),
            "this is the longer side; both are to be walked, each in one step fewer": lambda h, w: (
                max(h, w)
            ),
            "from the first of H rows to the last it takes H - 1 steps": lambda h, w: h + w,
            "this counts the places on the way; steps are one fewer": lambda h, w: h + w - 1,
            "the split attention says how much there is, but not where": lambda h, w: 1,
            "no place need be passed twice": lambda h, w: h * w - 1,
        },
    ),
    7: Judge(
        _look_up,
        largest=lambda maps, vectors: maps[:, 0].numel() * vectors.numel(),
        mistakes={
            "this is the most frequent mark of the map; it does not ask for the vector": (
                _most_frequent
            ),
            "this is the number of the place's vector; its mark is wanted": _own_vector,
            "this takes the vector that is least alike": partial(looked_up, sign=-1),
            "marks are summed along the rows alone": partial(looked_up, over=(-1,)),
            "nothing is summed over the places: each reads its own mark": (
                lambda maps, vectors: maps[:, 8:].argmax(dim=1)
            ),
        },
    ),
}
