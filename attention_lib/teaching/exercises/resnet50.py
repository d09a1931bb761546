"""Judges for the exercises on counting a ResNet-50."""

from collections.abc import Callable

import torch
from torch.testing import assert_close

from attention_lib.joint import ConvolutionalBlockAttention
from attention_lib.measure.cost import measure
from attention_lib.networks.resnet import Bottleneck
from attention_lib.teaching.exercises.watch import Judge


def _reduction_for(answer: Callable[[list[int], int, float], float]) -> None:
    for widths, parameters, share, wanted in (
        ([100], 10_000, 0.5, 4.0),
        ([30, 40], 1000, 0.1, 50.0),
        ([64] * 3, 1_000_000, 0.002, 12.288),
    ):
        given = answer(list(widths), parameters, share)
        asked = f"widths {widths}, {parameters:,} parameters and a share of {share}"
        _is(given, wanted, asked)


def _cbam_macs(answer: Callable[[int, int, int, int, int], int]) -> None:
    for channels, height, width, reduction, kernel_size in (
        (256, 56, 56, 16, 7),
        (40, 7, 5, 3, 3),
        (16, 1, 9, 16, 5),
    ):
        module = ConvolutionalBlockAttention(channels, reduction, kernel_size)
        wanted = measure(module, torch.empty(1, channels, height, width, device="meta")).macs
        asked = f"{channels} × {height} × {width}, r = {reduction}, k = {kernel_size}"
        _is(answer(channels, height, width, reduction, kernel_size), wanted, asked)


def _stride_shift(answer: Callable[[int, int, int], int]) -> None:
    for inside, width, side in ((256, 128, 56), (24, 10, 8), (512, 256, 28)):
        picture = torch.empty(1, inside, side, side, device="meta")
        late, early = (
            measure(Bottleneck(inside, width, 4 * width, 2, stride_in=where), picture).macs
            for where in ("3x3", "1x1")
        )
        asked = f"{inside} channels in, {width} in the middle, side {side}"
        _is(answer(inside, width, side), late - early, asked)


def _is(given: float | None, wanted: float, asked: str) -> None:
    assert given is not None, "it returned nothing"
    assert_close(float(given), float(wanted), msg=f"for {asked} it is {wanted:,}")


JUDGES = {
    2: Judge(_reduction_for),
    3: Judge(_cbam_macs),
    4: Judge(_stride_shift),
}
