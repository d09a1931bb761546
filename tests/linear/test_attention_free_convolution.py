"""What only AFT-conv promises: the definition, which it never computes, for keys of any size."""

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.linear import AttentionFreeConvolution
from attention_lib.measure.timing import peak_memory

X = torch.randn(2, 6, 7, 5, generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture
def attention():
    return randomize(AttentionFreeConvolution(6, heads=3, kernel_size=3)).double()


def biases(m, height, width):
    """w for each pair of places, which are numbered row by row."""
    even = m.position - m.position.mean(dim=(1, 2), keepdim=True)
    even = even / (even.square().mean(dim=(1, 2), keepdim=True) + m.eps).sqrt()
    window = m.gain[:, None, None] * even + m.shift[:, None, None]
    half = m.kernel_size // 2
    places = [(i, j) for i in range(height) for j in range(width)]
    table = torch.zeros(m.heads, len(places), len(places), dtype=window.dtype)
    for a, (i, j) in enumerate(places):
        for b, (r, s) in enumerate(places):
            if max(abs(r - i), abs(s - j)) <= half:
                table[:, a, b] = window[:, r - i + half, s - j + half]
    return table


def in_logarithms(m, x):
    """A softmax over all of k_r + w_{r-p}, and the same keys for all channels of a head."""
    batch, channels, height, width = x.shape
    query, key, value = m.query_key_value(x).split((channels, m.heads, channels), dim=1)
    logits = key.flatten(2)[:, :, None] + biases(m, height, width)
    mean = value.reshape(batch, m.heads, -1, height * width) @ logits.softmax(dim=-1).mT
    return query.sigmoid() * mean.reshape(x.shape)


def test_defaults_are_the_papers():
    m = AttentionFreeConvolution(64)
    assert m.heads == 32 and m.kernel_size == 11 and m.position.shape == (32, 11, 11)
    assert not m.gain.any() and not m.shift.any() and m.query_key_value.bias is None
    assert 0.9 < m.position.std() < 1.1 and m.eps == 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels=0), "^channels=0 must be at least 1$"),
        (dict(channels=8, heads=0), "^heads=0 must be at least 1$"),
        (dict(channels=8, heads=3), "^channels=8 must be a multiple of heads=3$"),
        (dict(channels=32, kernel_size=4), "^kernel_size=4 must be odd and at least 3$"),
        (dict(channels=32, kernel_size=1), "^kernel_size=1 must be odd and at least 3$"),
    ],
)
def test_senseless_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionFreeConvolution(**arguments)


def test_one_of_everything_is_enough():
    m = AttentionFreeConvolution(1, heads=1, kernel_size=3)
    assert m(torch.ones(1, 1, 1, 1)).shape == (1, 1, 1, 1)


def test_at_the_start_every_place_gets_the_mean_of_the_map():
    m = AttentionFreeConvolution(6, heads=3).double()
    query, key, value = m.query_key_value(X).split((6, 3, 6), dim=1)
    weights = key.flatten(2).softmax(dim=-1).repeat_interleave(2, dim=1)
    mean = (weights * value.flatten(2)).sum(dim=-1)
    assert_close(m(X), query.sigmoid() * mean[..., None, None])


@pytest.mark.parametrize("scale", [1, 1000])
@pytest.mark.parametrize("shift", [None, 10.0, -10.0])
def test_keys_of_any_size_are_weighed_rightly(attention, scale, shift):
    if shift is not None:
        torch.nn.init.constant_(attention.shift, shift)
    assert_close(attention(scale * X), in_logarithms(attention, scale * X))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["", "autocast"])
def test_low_precision_keeps_a_small_remainder(attention, dtype, autocast):
    """1 + (exp(-8) - 1) is 0 in bfloat16, and a third off in float16."""

    torch.nn.init.constant_(attention.shift, -8)
    m, x = deepcopy(attention).to(dtype), (100 * X).to(dtype)
    exact = deepcopy(m).double()(x.double())
    if autocast:
        with torch.autocast("cpu", dtype=dtype):
            y = m.float()(x.float())
    else:
        y = m(x)
    assert (y - exact).norm() <= torch.finfo(dtype).eps * exact.norm()


def test_a_constant_in_the_positions_makes_no_difference(attention):
    y = attention(X)
    attention.position.data += 3
    assert_close(attention(X), y)


def test_a_window_hides_nothing(attention):
    changed = X.clone()
    changed[:, :, -1, -1] += 1
    assert (attention(changed) - attention(X))[:, :, 0, 0].abs().min() > 0


def test_no_pair_of_places_is_made():
    """Nor a copy of the map for each place of the window."""
    m, x = AttentionFreeConvolution(32, kernel_size=11), torch.randn(1, 32, 48, 48)
    assert peak_memory(lambda: m(x).sum().backward()) < 20 * x.nbytes
