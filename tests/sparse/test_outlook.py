"""What only outlook attention promises: windows, and how they overlap."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.sparse import OutlookAttention
from tests.support.proof import largest_tensor

X = torch.randn(2, 18, 7, 5, dtype=torch.float64)


def outlook(**arguments):
    return randomize(OutlookAttention(18, heads=3, **arguments)).double()


def test_defaults_are_the_papers():
    attention = OutlookAttention(256)
    assert (attention.heads, attention.kernel_size, attention.stride) == (8, 3, 1)
    assert attention.logits.out_features == 8 * 3**4
    assert attention.value.bias is None and attention.out.bias is not None


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_equal_logits_give_each_window_its_mean(kernel_size, stride):
    """Then the layer is two sums over windows, which strided pooling computes as well."""
    attention = outlook(kernel_size=kernel_size, stride=stride)
    torch.nn.init.zeros_(attention.logits.weight)
    torch.nn.init.zeros_(attention.logits.bias)
    around = dict(stride=stride, padding=kernel_size // 2)
    means = F.avg_pool2d(attention.value(X), kernel_size, **around)
    spread = torch.ones(18, 1, kernel_size, kernel_size, dtype=torch.float64)
    missing = [(size - 1) % stride for size in (7, 5)]  # rows and columns after the last centre
    summed = F.conv_transpose2d(means, spread, groups=18, output_padding=missing, **around)
    assert_close(attention(X), attention.out(summed))


@pytest.mark.parametrize(("stride", "windows"), [(1, 35), (2, 12), (3, 6)])
def test_weights_sum_to_one_over_the_values_of_a_window(stride, windows):
    weights = outlook(stride=stride).weights(X)
    assert_close(weights.sum(-1), torch.ones(2, windows, 3, 9).double())


def test_each_window_mixes_its_values_by_its_own_weights():
    """A map of one pixel has one window; only the middle of it holds a value and is read."""
    attention = outlook()
    x = X[:, :, :1, :1]
    middle = attention.weights(x)[:, 0, :, 4, 4].repeat_interleave(6, dim=1)
    expected = attention.out(attention.value(x) * middle[..., None, None])
    assert_close(attention(x), expected)


def test_the_logits_are_scaled_by_the_root_of_the_width_of_a_head():
    attention = outlook()
    pixel = attention.logits(X[:, :, 2, 3]).view(2, 3, 9, 9)
    assert_close(attention.weights(X)[:, 2 * 5 + 3], (pixel / 6**0.5).softmax(-1))


def test_a_stride_reads_means_also_where_it_does_not_divide_the_size():
    attention = outlook(stride=2)
    corner = attention.logits(X[:, :, 6, 4]).view(2, 3, 9, 9)  # alone in the last block
    edge = attention.logits(X[:, :, 6, 0:2].mean(-1)).view(2, 3, 9, 9)
    assert_close(attention.weights(X)[:, 11], (corner / 6**0.5).softmax(-1))
    assert_close(attention.weights(X)[:, 9], (edge / 6**0.5).softmax(-1))


@pytest.mark.parametrize(("kernel_size", "side"), [(1, 1), (3, 5), (5, 9)])
def test_a_pixel_hears_from_all_that_a_window_over_it_holds(kernel_size, side):
    attention = outlook(kernel_size=kernel_size)
    x = torch.randn(1, 18, 11, 13, dtype=torch.float64, requires_grad=True)
    [grad] = torch.autograd.grad(attention(x)[..., 5, 6].sum(), x)
    seen = grad[0].abs().sum(0) > 0
    assert seen.sum() == side**2
    reach = side // 2
    assert seen[5 - reach : 6 + reach, 6 - reach : 7 + reach].all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels=18, heads=4), "channels=18 must be a multiple of heads=4"),
        (dict(channels=0), "channels=0 must be at least 1"),
        (dict(channels=16, heads=0), "heads=0 must be at least 1"),
        (dict(channels=16, kernel_size=4), "kernel_size=4 must be odd and at least 1"),
        (dict(channels=16, kernel_size=0), "kernel_size=0 must be odd and at least 1"),
        (dict(channels=16, kernel_size=-1), "kernel_size=-1 must be odd and at least 1"),
        (dict(channels=16, stride=4), "stride=4 must be between 1 and kernel_size=3"),
        (dict(channels=16, stride=0), "stride=0 must be between 1 and kernel_size=3"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        OutlookAttention(**arguments)


def test_a_single_channel_and_a_single_head_are_enough():
    assert OutlookAttention(1, heads=1)(torch.ones(1, 1, 2, 3)).shape == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ("largest", "numbers"),
    [
        ("values", dict(channels=64, heads=2, kernel_size=3, stride=3)),
        ("offsets", dict(channels=4, heads=2, kernel_size=5, stride=3)),
        ("windows", dict(channels=4, heads=2, kernel_size=5, stride=2)),
    ],
)
def test_the_largest_tensor_is_declared_whichever_it_is(largest, numbers):
    counted, declared = largest_tensor("OutlookAttention", height=41, width=23, **numbers)
    c, h, k, s = numbers.values()
    windows = -(-41 // s) * -(-23 // s)
    kinds = dict(values=c * (39 + 2 * k) * (21 + 2 * k), windows=h * k**4 * windows)
    kinds |= dict(offsets=h * (40 + k) * (22 + k) * (2 * k - 1) ** 2)
    assert largest == max(kinds, key=kinds.get)
    assert counted == declared
