"""Judges for the exercises on comparing with other packages."""

from collections.abc import Callable

from torch.testing import assert_close

from attention_lib.teaching.exercises.watch import Judge


def _mean_of_ratios(answer: Callable[[list[float]], float]) -> None:
    for ratios, wanted in (([2.0, 0.5], 1.0), ([2.0, 2.0, 16.0], 4.0), ([3.0], 3.0)):
        _is(answer(list(ratios)), wanted, f"for {ratios}")


def _median_ratio(answer: Callable[[list[float], list[float]], float]) -> None:
    for theirs, ours, wanted in (
        ([2.0, 9.0, 40.0], [1.0, 3.0, 20.0], 2.0),
        ([6.0, 2.0, 8.0, 5.0], [2.0, 2.0, 2.0, 5.0], 2.0),
    ):
        _is(answer(list(theirs), list(ours)), wanted, f"for {theirs} and {ours}")


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
    assert_close(float(given), wanted, msg=f"{asked} it is {wanted:g}, not {given}")


JUDGES = {
    1: Judge(_mean_of_ratios),
    2: Judge(_median_ratio),
    4: Judge(_shortest_time),
}
