"""Judges for the exercises on hybrid attention."""

from collections.abc import Callable, Sequence
from math import ceil, log

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge

CONTENT, STEP = (0.0, log(2), 0.0), (2 * log(3), 0.0, 0.0)


def _by_hand(answer: Callable[[], list[float]]) -> None:
    hold_parts([answer()], {"the list of weights": (_softmax(_sum(CONTENT, STEP)), 0.006)})


def _softmax(logits: Sequence[float]) -> list[float]:
    return torch.tensor(logits, dtype=EXACT).softmax(dim=0).tolist()


def _sum(*parts: Sequence[float]) -> list[float]:
    return [sum(numbers) for numbers in zip(*parts, strict=True)]


def _rounded(weights: Sequence[float]) -> list[float]:
    return [round(weight, 2) for weight in weights]


def _table_size(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = [
        ((height, width, heads), heads * (2 * height - 1) * (2 * width - 1),
         f"for {height}×{width} places and {heads} heads")
        for height, width, heads in ((14, 14, 12), (7, 7, 24), (5, 3, 2), (1, 1, 1))
    ]  # fmt: skip
    hold_numbers(answer, cases, form=",")


def _nine_shifts(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    for outside, inside, height, width in ((3, 3, 4, 5), (2, 3, 5, 4), (1, 2, 1, 6)):
        x = torch.randn(2, inside, height, width, dtype=EXACT)
        weight = torch.randn(outside, inside, 3, 3, dtype=EXACT)
        case = f"for a map of shape {tuple(x.shape)} and weights of shape {tuple(weight.shape)}"
        hold_tensor(answer(x, weight), F.conv2d(x, weight, padding=1), case)


def _shifts(x: Tensor, weight: Tensor, mode: str = "constant") -> Tensor:
    """The convolution, with other weights or another border."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode), weight)


def _own_kernels(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    for tokens, features in ((6, 4), (3, 3), (1, 2)):
        value = torch.randn(2, tokens, features, dtype=EXACT)
        logits = torch.randn(2, tokens, 3, dtype=EXACT)
        case = f"for {tokens} tokens of {features} features"
        hold_tensor(answer(value, logits), _gathered(value, logits.softmax(dim=-1)), case)


def _gathered(value: Tensor, taps: Tensor, ring: bool = False) -> Tensor:
    """Each token's three neighbours, by its taps; a mistake closes the sequence to a ring."""
    ends = (value[:, -1:], value[:, :1]) if ring else (torch.zeros_like(value[:, :1]),) * 2
    windows = torch.cat([ends[0], value, ends[1]], dim=1).unfold(1, 3, 1)
    return (windows * taps[:, :, None]).sum(dim=-1)


def _scattered(value: Tensor, logits: Tensor) -> Tensor:
    """The taps of the token that is read, not of the one that reads."""
    around = F.pad(logits.softmax(dim=-1), (0, 0, 1, 1)).unfold(1, 3, 1)
    return _gathered(value, around.diagonal(dim1=-2, dim2=-1))


def _shared_out(value: Tensor, logits: Tensor) -> Tensor:
    """A softmax over the taps that find a token."""
    found = F.pad(torch.ones(value.shape[1]), (1, 1)).unfold(0, 3, 1) > 0
    return _gathered(value, logits.masked_fill(~found, -torch.inf).softmax(dim=-1))


def _groups_heard(answer: Callable[[int, int], int]) -> None:
    cases: list[Case] = [
        ((patch, kernel), min(patch, kernel) ** 2,
         f"for patches of {patch} and a kernel of {kernel}")
        for patch, kernel in ((2, 3), (4, 3), (3, 1), (7, 5), (5, 5))
    ]  # fmt: skip
    hold_numbers(answer, cases, form="d")


def _patch_products(answer: Callable[[int, int, int, int], int]) -> None:
    cases: list[Case] = [
        ((height, width, dim, patch), _attentions(height, width, dim, patch),
         f"for {height}×{width} places with {dim} features and patches of {patch}")
        for height, width, dim, patch in (
            (16, 16, 144, 2), (32, 16, 64, 4), (6, 6, 8, 1), (7, 5, 8, 2), (10, 7, 8, 3),
        )
    ]  # fmt: skip
    hold_numbers(answer, cases, form=",")


def _attentions(height: int, width: int, dim: int, patch: int) -> int:
    return patch**2 * 2 * _patches(height, width, patch) ** 2 * dim


def _patches(height: int, width: int, patch: int) -> int:
    return ceil(height / patch) * ceil(width / patch)


def _from_the_left(answer: Callable[[Tensor], Tensor]) -> None:
    for height, width in ((3, 4), (5, 2), (2, 1)):
        x = torch.randn(2, 3, height, width, dtype=EXACT)
        before = x.clone()
        given, case = answer(x), f"for a map of shape {tuple(x.shape)}"
        assert torch.equal(x, before), "it changes the map that it is given"
        hold_tensor(given, _moved(before, -1), case)


def _moved(x: Tensor, dim: int, back: bool = False) -> Tensor:
    """Each place gets what stands before it along an axis, or behind it; zeros at the edge."""
    zeros, size = torch.zeros_like(x.narrow(dim, 0, 1)), x.shape[dim] - 1
    kept = x.narrow(dim, int(back), size)
    return torch.cat([kept, zeros] if back else [zeros, kept], dim)


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "this is what the content alone weighs": lambda: _rounded(_softmax(CONTENT)),
            "this is what the steps alone weigh": lambda: _rounded(_softmax(STEP)),
            "this is what comes out if the step counts once": (
                lambda: _rounded(_softmax([log(3), log(2), 0]))
            ),
            "this is what comes out if the logits of the steps are added after the softmax": (
                lambda: _rounded(_sum(_softmax(CONTENT), STEP))
            ),
            "this is the mean of two softmaxes; there is one, of the sum": (
                lambda: _rounded([s / 2 for s in _sum(_softmax(CONTENT), _softmax(STEP))])
            ),
            "this doubles the weight 3; to double its logit squares it": (
                lambda: _rounded(_softmax([log(6), log(2), 0]))
            ),
            "these are not yet divided by their sum": lambda: [9, 2, 1],
        },
    ),
    2: Judge(
        _table_size,
        mistakes={
            "this counts the places, not the steps between them": lambda h, w, n: h * w * n,
            "this counts the pairs of places; those of one step share a number": (
                lambda h, w, n: (h * w) ** 2 * n
            ),
            "this is the table of one head": lambda h, w, n: (2 * h - 1) * (2 * w - 1),
            "this counts 2 H steps along an axis; the step 0 is counted twice": (
                lambda h, w, n: 4 * h * w * n
            ),
            "this goes one step too far; from the first place to the last it is H - 1": (
                lambda h, w, n: (2 * h + 1) * (2 * w + 1) * n
            ),
            "this adds rows and columns; each pair of a row and a column is a step": (
                lambda h, w, n: (2 * h - 1 + 2 * w - 1) * n
            ),
            "this counts steps in one direction alone": (lambda h, w, n: n * (h * w - 1)),
        },
    ),
    4: Judge(
        _nine_shifts,
        forbids=("convolution", "unfold"),
        mistakes={
            "this is what comes out if the maps are shifted the other way: the kernel is turned": (
                lambda x, weight: _shifts(x, weight.flip(2, 3))
            ),
            "this is what comes out if the map closes to a ring, as with roll": (
                lambda x, weight: _shifts(x, weight, "circular")
            ),
            "this is what comes out if rows and columns of the kernel are swapped": (
                lambda x, weight: _shifts(x, weight.mT)
            ),
            "this is what comes out if the outermost places are repeated beyond the border": (
                lambda x, weight: _shifts(x, weight, "replicate")
            ),
            "this is the middle tap alone": (
                lambda x, weight: torch.einsum("oc,bchw->bohw", weight[:, :, 1, 1], x)
            ),
        },
    ),
    5: Judge(
        _own_kernels,
        forbids=("convolution", "unfold"),
        mistakes={
            "this is what comes out without the softmax": _gathered,
            "this is what comes out if the softmax runs over the tokens, not over the taps": (
                lambda value, logits: _gathered(value, logits.softmax(dim=1))
            ),
            "this is what comes out if the taps are read from last to first": (
                lambda value, logits: _gathered(value, logits.softmax(dim=-1).flip(-1))
            ),
            "this is what comes out if the sequence closes to a ring": (
                lambda value, logits: _gathered(value, logits.softmax(dim=-1), ring=True)
            ),
            "at the ends this shares out the tap that finds no token; it is lost": _shared_out,
            "this uses the taps of the token that is read, not of the one that reads": _scattered,
        },
    ),
    6: Judge(
        _groups_heard,
        mistakes={
            "this is one axis; a patch has two": min,
            "these are all groups, which are heard only if the kernel is as wide as the patch": (
                lambda patch, kernel: patch**2
            ),
            "this is the window; where it is wider than the patch it meets groups again": (
                lambda patch, kernel: kernel**2
            ),
            "this is the group's own places; the convolution brings others": (
                lambda patch, kernel: 1
            ),
            "this is what y hears; the second convolution comes after (12)": (
                lambda patch, kernel: min(patch, 2 * kernel - 1) ** 2
            ),
            "this reads the window to one side alone": (
                lambda patch, kernel: min(patch, kernel // 2 + 1) ** 2
            ),
        },
    ),
    7: Judge(
        _patch_products,
        mistakes={
            "this is one attention among all places of the enlarged map": (
                lambda h, w, d, p: 2 * (_patches(h, w, p) * p**2) ** 2 * d
            ),
            "this is one of the P² attentions": lambda h, w, d, p: 2 * _patches(h, w, p) ** 2 * d,
            "this is the map as it is; patches do not tile each of these": (
                lambda h, w, d, p: 2 * (h * w) ** 2 * d // p**2
            ),
            "this leaves out the places that fill no patch; the map is enlarged": (
                lambda h, w, d, p: p**2 * 2 * ((h // p) * (w // p)) ** 2 * d
            ),
            "this counts the products of queries and keys, and forgets the sums of values": (
                lambda h, w, d, p: _attentions(h, w, d, p) // 2
            ),
            "this counts pairs; each takes d multiply-adds, twice": (
                lambda h, w, d, p: p**2 * _patches(h, w, p) ** 2
            ),
            "this is attention within each patch; it runs among the patches": (
                lambda h, w, d, p: _patches(h, w, p) * 2 * p**4 * d
            ),
        },
    ),
    8: Judge(
        _from_the_left,
        mistakes={
            "this moves from the right: each place gets what stands to its right": (
                lambda x: _moved(x, -1, back=True)
            ),
            "this closes the map to a ring; at the left edge zeros are wanted": (
                lambda x: x.roll(1, dims=-1)
            ),
            "this moves along the rows: each place gets what stands above it": (
                lambda x: _moved(x, -2)
            ),
            "this adds the map itself; the net does that": lambda x: x + _moved(x, -1),
            "this moves the channels, not the columns": lambda x: _moved(x, 1),
            "this moves by two columns": lambda x: _moved(_moved(x, -1), -1),
        },
    ),
}
