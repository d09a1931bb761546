"""Judges for the exercises on comparing with other packages."""

from collections.abc import Callable
from functools import partial
from math import fsum, log, prod
from statistics import fmean, harmonic_mean, median

import torch
from torch import Tensor, nn

from attention_lib.teaching.exercises.numbers import Case, hold_numbers
from attention_lib.teaching.exercises.watch import Judge

_holds = partial(hold_numbers, form="g")


def _mean_of_ratios(answer: Callable[[list[float]], float]) -> None:
    _holds(
        answer,
        [
            ([list(ratios)], wanted, f"for {ratios}")
            for ratios, wanted in (([2.0, 2.0, 16.0], 4.0), ([2.0, 0.5], 1.0), ([3.0], 3.0))
        ],
    )


Two = Callable[[list[float], list[float]], float]


def _median_ratio(answer: Two) -> None:
    theirs, ours = [12.0, 18.0, 40.0], [4.0, 3.0, 10.0]
    more, fewer = [6.0, 2.0, 8.0, 5.0], [2.0, 2.0, 2.0, 5.0]
    _holds(
        answer,
        [
            ((theirs, ours), 4.0, f"for {theirs} and {ours}"),
            ((more, fewer), 2.0, f"for {more} and {fewer}"),
        ],
    )


def _quoted(answer: Two) -> None:
    first, second = [5.0, 3.0, 4.0], [7.0, 6.0, 3.5]
    shorter, longer = [1.0, 2.0], [3.0, 4.0]
    _holds(
        answer,
        [
            ((first, second), 6.0, f"for {first} and {second}"),
            ((shorter, longer), 3.0, f"for {shorter} and {longer}"),
        ],
    )


def _bytes_at_least(answer: Callable[[nn.Module, Tensor], int]) -> None:
    cases: list[Case] = []
    for module, x in (
        (nn.Linear(6, 10), torch.zeros(4, 5, 6)),
        (nn.Linear(3, 7, bias=False).double(), torch.zeros(2, 3, dtype=torch.float64)),
        (nn.BatchNorm2d(5).bfloat16().eval(), torch.zeros(2, 5, 3, 3, dtype=torch.bfloat16)),
    ):
        wanted = _sizes(x, module(x), *module.parameters())
        cases.append(((module, x), wanted, f"for {module} of {x.dtype} on {tuple(x.shape)}"))
    _holds(answer, cases)


def _shortest_time(answer: Callable[[float, float, float, float], float]) -> None:
    numbers = (
        ((100.0, 10.0, 50.0, 10.0), 2.0),
        ((10.0, 100.0, 50.0, 10.0), 10.0),
        ((0.0, 8.0, 5.0, 4.0), 2.0),
    )
    said = "for {:g} multiply-adds and {:g} bytes, at {:g} and {:g} a second,"
    _holds(answer, [(given, wanted, said.format(*given)) for given, wanted in numbers])


def _sizes(*tensors: Tensor) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _numbers(module: nn.Module, x: Tensor) -> int:
    return x.numel() + module(x).numel() + sum(p.numel() for p in module.parameters())


JUDGES = {
    1: Judge(
        _mean_of_ratios,
        mistakes={
            "this is the arithmetic mean, whose inverse is another one": fmean,
            "this is the harmonic mean, whose inverse is another one": harmonic_mean,
            "this is the median, which forgets how far the others lie apart": median,
            "this is the product, of which no root was taken": prod,
            "this is the square root of the product, right for two ratios only": (
                lambda ratios: prod(ratios) ** 0.5
            ),
            "this is the mean of the logarithms, and not yet raised to a power of e": (
                lambda ratios: fmean(map(log, ratios))
            ),
        },
    ),
    2: Judge(
        _median_ratio,
        mistakes={
            "this is the ratio of the two medians, which may come from different rounds": (
                lambda theirs, ours: median(theirs) / median(ours)
            ),
            "this is the mean of the ratios, which one busy round can shift": (
                lambda theirs, ours: fmean(a / b for a, b in zip(theirs, ours, strict=True))
            ),
            "this is the ratio of the two sums": (lambda theirs, ours: fsum(theirs) / fsum(ours)),
            "this is ours divided by theirs": (
                lambda theirs, ours: median(b / a for a, b in zip(theirs, ours, strict=True))
            ),
            "this is the ratio in the middle of the list, which was not sorted": (
                lambda theirs, ours: theirs[len(ours) // 2] / ours[len(ours) // 2]
            ),
            "of an even number of ratios, the median is the mean of the two in the middle": (
                lambda theirs, ours: sorted(a / b for a, b in zip(theirs, ours, strict=True))[
                    len(ours) // 2
                ]
            ),
        },
    ),
    4: Judge(
        _quoted,
        mistakes={
            "this is the time of the run that chose the form": lambda first, second: min(first),
            "this is the fastest of the second run, which is chosen by its luck again": (
                lambda first, second: min(second)
            ),
            "this is the mean of both runs, one of which chose the form": (
                lambda first, second: (min(first) + second[first.index(min(first))]) / 2
            ),
            "this is the second time of the form that was slowest in the first run": (
                lambda first, second: second[first.index(max(first))]
            ),
            "this is the place of the form in the list, not its time": (
                lambda first, second: first.index(min(first))
            ),
        },
    ),
    5: Judge(
        _bytes_at_least,
        mistakes={
            "this is what comes out without the output": (
                lambda module, x: _sizes(x, *module.parameters())
            ),
            "this is what comes out without the parameters": lambda module, x: _sizes(x, module(x)),
            "this is what comes out without the input": (
                lambda module, x: _sizes(module(x), *module.parameters())
            ),
            "these are numbers, and not yet bytes": _numbers,
            "this is what comes out with four bytes a number, whatever the dtype": (
                lambda module, x: 4 * _numbers(module, x)
            ),
        },
    ),
    6: Judge(
        _shortest_time,
        mistakes={
            "this is the sum of the two times, as if one waited for the other": (
                lambda macs, moved, product, copy: macs / product + moved / copy
            ),
            "this is the shorter of the two times": (
                lambda macs, moved, product, copy: min(macs / product, moved / copy)
            ),
            "this is the time of the arithmetic alone": (
                lambda macs, moved, product, copy: macs / product
            ),
            "this is the time of the memory alone": (
                lambda macs, moved, product, copy: moved / copy
            ),
            "this is what comes out if the two speeds are exchanged": (
                lambda macs, moved, product, copy: max(macs / copy, moved / product)
            ),
        },
    ),
}
