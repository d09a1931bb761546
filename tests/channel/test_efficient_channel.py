"""What only efficient channel attention promises."""

from math import log2

import pytest
import torch

from attention_lib.channel import EfficientChannelAttention
from attention_lib.channel.efficient_channel import adaptive_kernel_size


@pytest.mark.parametrize("channels", [1, 2, 3, 16, 64, 128, 200, 256, 512, 1024, 2048, 4096])
def test_the_kernel_is_the_odd_number_nearest_to_the_formula(channels):
    wanted = (log2(channels) + 1) / 2
    odd = adaptive_kernel_size(channels)
    assert odd % 2 == 1 and abs(odd - wanted) <= 1
    if abs(odd - wanted) == 1:  # two odd numbers are as near: the larger, as the authors' listing
        assert odd > wanted


@pytest.mark.parametrize(
    ("channels", "gamma", "b", "nearest"),
    [(256, 1, 0, 9), (256, 2, 3, 5), (256, 3, 1, 3), (2, 2, -9, 5)],
)
def test_the_kernel_follows_gamma_and_b(channels, gamma, b, nearest):
    """|log₂(C) / γ + b / γ| is 8, 5.5, 3 and 4; where two odd numbers are as near, the larger."""
    assert adaptive_kernel_size(channels, gamma, b) == nearest


def test_the_published_kernels_are_not_what_the_formula_gives():
    """80 parameters in ResNet-50 need 3, 5, 5, 7; the formula gives 5 at 256 channels."""
    widths = {256: 3, 512: 4, 1024: 6, 2048: 3}
    by_formula = [EfficientChannelAttention(c).kernel_size for c in widths]
    assert by_formula == [5, 5, 5, 7]
    published = [EfficientChannelAttention(c, k) for c, k in zip(widths, (3, 5, 5, 7), strict=True)]
    count = [n * p.numel() for n, m in zip(widths.values(), published, strict=True)
             for p in m.parameters()]  # fmt: skip
    assert sum(count) == 80


def test_a_gate_sees_its_neighbours_and_no_one_else():
    attention = EfficientChannelAttention(9, kernel_size=3)
    x = torch.zeros(1, 9, 2, 2)
    y = x.clone()
    y[:, 4] = 1
    moved = (attention.gate(y) != attention.gate(x)).nonzero()[:, 1]
    assert moved.tolist() == [3, 4, 5]


def test_a_single_channel_has_a_gate():
    attention = EfficientChannelAttention(1)
    x = torch.randn(2, 1, 3, 3)
    assert attention.kernel_size == 1
    torch.testing.assert_close(
        attention.gate(x), (attention.mix.weight.item() * x.mean((2, 3))).sigmoid()
    )
