"""Judges for the exercises on comparing with other packages."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.testing import assert_close


def _mean_of_ratios(answer: Callable[[list[float]], float]) -> None:
    for ratios, wanted in (([2.0, 0.5], 1.0), ([2.0, 2.0, 16.0], 4.0), ([3.0], 3.0)):
        _is(answer(list(ratios)), wanted, f"for {ratios}")


def _median_ratio(answer: Callable[[list[float], list[float]], float]) -> None:
    for theirs, ours, wanted in (
        ([2.0, 9.0, 40.0], [1.0, 3.0, 20.0], 2.0),
        ([6.0, 2.0, 8.0, 5.0], [2.0, 2.0, 2.0, 5.0], 2.0),
    ):
        _is(answer(list(theirs), list(ours)), wanted, f"for {theirs} and {ours}")


def _quoted(answer: Callable[[list[float], list[float]], float]) -> None:
    for first, second, wanted in (
        ([5.0, 3.0, 4.0], [4.0, 6.0, 5.0], 6.0),
        ([1.0, 2.0], [3.0, 1.5], 3.0),
    ):
        _is(answer(list(first), list(second)), wanted, f"for {first} and {second}")


def _bytes_at_least(answer: Callable[[nn.Module, Tensor], int]) -> None:
    for module, x in (
        (nn.Linear(6, 10), torch.zeros(4, 5, 6)),
        (nn.Linear(3, 7, bias=False).double(), torch.zeros(2, 3, dtype=torch.float64)),
        (nn.BatchNorm2d(5).bfloat16().eval(), torch.zeros(2, 5, 3, 3, dtype=torch.bfloat16)),
    ):
        wanted = sum(tensor.nbytes for tensor in (x, module(x), *module.parameters()))
        asked = f"for {module} of {x.dtype} on {tuple(x.shape)}"
        _is(answer(module, x), wanted, asked)


def _shortest_time(answer: Callable[[float, float, float, float], float]) -> None:
    for macs, moved, product, copy, wanted in (
        (100.0, 10.0, 50.0, 10.0, 2.0),
        (10.0, 100.0, 50.0, 10.0, 10.0),
        (0.0, 8.0, 5.0, 4.0, 2.0),
    ):
        asked = f"for {macs:g} multiply-adds and {moved:g} bytes at {product:g} and {copy:g}"
        _is(answer(macs, moved, product, copy), wanted, asked)


def _is(given: float | None, wanted: float, asked: str) -> None:
    assert given is not None, "it returned nothing"
    assert_close(float(given), float(wanted), msg=f"{asked} it is {wanted:g}, not {given}")


JUDGES = {
    1: _mean_of_ratios,
    2: _median_ratio,
    4: _quoted,
    5: _bytes_at_least,
    6: _shortest_time,
}
