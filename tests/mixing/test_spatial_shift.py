"""What only the spatial shift promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.mixing import SpatialShift

RIGHT, LEFT, DOWN, UP = (0, 1), (0, -1), (1, 0), (-1, 0)


def make(channels=8, **arguments):
    return randomize(SpatialShift(channels, **arguments)).double()


def only(branch, channels):
    """Of the three maps, each a copy of x, one alone: what it was moved to."""
    mix = make(channels)
    mix.expand.weight.data = torch.eye(channels).double().repeat(3, 1)
    mix.out.weight.data = torch.eye(channels).double()
    nn.init.zeros_(mix.expand.bias)
    nn.init.zeros_(mix.out.bias)
    chosen = torch.eye(3)[branch].double().repeat_interleave(channels)
    nn.init.ones_(mix.squash.weight)  # the middle is large and alike for a map without negatives
    mix.excite.weight.data = chosen[:, None].expand(-1, mix.hidden) * 1e3
    return mix


def moved(x, down, right):
    """`x` moved by one place, one place after the other; the edge keeps what it had."""
    height, width = x.shape[-2:]
    y = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            a, b = i - down, j - right
            inside = 0 <= a < height and 0 <= b < width
            y[..., i, j] = x[..., a, b] if inside else x[..., i, j]
    return y


def test_defaults_are_the_papers():
    mix = SpatialShift(12)
    assert mix.hidden == 12 and SpatialShift(12, reduction=5).hidden == 2
    assert mix.expand.bias is not None and mix.out.bias is not None
    assert mix.squash.bias is None and mix.excite.bias is None


def test_channels_below_one_are_refused():
    with pytest.raises(ValueError, match="channels=0 must be at least 1"):
        SpatialShift(0)
    assert SpatialShift(1).hidden == 1


@pytest.mark.parametrize("reduction", [0, -1, 9])
def test_something_must_be_left_in_the_middle(reduction):
    with pytest.raises(ValueError, match=f"reduction={reduction} must lie between 1 and channels"):
        SpatialShift(8, reduction)
    assert SpatialShift(8, reduction=8).hidden == 1


@pytest.mark.parametrize(
    ("branch", "ways"),
    [(0, [RIGHT, LEFT, DOWN, UP]), (1, [DOWN, UP, RIGHT, LEFT]), (2, [(0, 0)] * 4)],
)
@pytest.mark.parametrize(
    ("channels", "cuts"), [(8, [2, 4, 6]), (10, [2, 5, 7]), (7, [1, 3, 5]), (1, [0, 0, 0])]
)
def test_each_quarter_moves_its_way(branch, ways, channels, cuts):
    x = torch.rand(2, channels, 7, 5, dtype=torch.float64) + 1
    quarters = zip(x.tensor_split(cuts, dim=1), ways, strict=True)
    expected = torch.cat([moved(quarter, *way) for quarter, way in quarters], dim=1)
    assert_close(only(branch, channels)(x), expected)


def test_a_shift_is_a_copy_and_smears_nothing():
    """0, 1, 2, 3, 4 moved on by one is 0, 0, 1, 2, 3, and moved back 1, 2, 3, 4, 4."""
    ramp = torch.arange(5.0).double()
    x = ramp.expand(1, 4, 1, 5)
    right, left, down, up = only(0, 4)(x)[0, :, 0]
    assert right.tolist() == [0, 0, 1, 2, 3] and left.tolist() == [1, 2, 3, 4, 4]
    assert down.tolist() == up.tolist() == ramp.tolist()
    down, up, right, left = only(1, 4)(x.mT)[0, ..., 0]
    assert down.tolist() == [0, 0, 1, 2, 3] and up.tolist() == [1, 2, 3, 4, 4]


def test_two_layers_and_a_shift_between_them_reach_the_four_neighbours():
    mix = make()
    x = torch.randn(1, 8, 7, 5, dtype=torch.float64, requires_grad=True)
    nn.init.zeros_(mix.squash.weight)  # or the gate would see everything
    mix(x)[0, :, 3, 2].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero().tolist()
    assert seen == [[2, 2], [3, 1], [3, 2], [3, 3], [4, 2]]


def test_the_gate_reads_the_sum_over_all_places():
    """As in the paper, not the mean: twice as many places count twice."""
    mix = make()
    x = torch.randn(2, 8, 1, 1, dtype=torch.float64) / 10
    summed = 3 * 15 * mix.expand(x[..., 0, 0]).view(2, 3, 8).mean(dim=1)
    logits = mix.excite(nn.functional.gelu(mix.squash(summed)))
    assert_close(mix.weights(x.expand(2, 8, 3, 5)), logits.view(2, 3, 8).softmax(dim=1))


def test_weights_over_the_three_maps_sum_to_one_and_are_those_that_forward_uses():
    mix = make(1)  # of a single channel, the last quarter, all is easily said
    x = torch.randn(2, 1, 7, 5, dtype=torch.float64)
    weights = mix.weights(x)
    assert_close(weights.sum(dim=1), torch.ones(2, 1, dtype=torch.float64))
    first, second, third = (mix.expand.weight[k] * x + mix.expand.bias[k] for k in range(3))
    maps = [moved(first, *UP), moved(second, *LEFT), third]
    mixed = sum(w[..., None, None] * one for w, one in zip(weights.unbind(1), maps, strict=True))
    assert_close(mix(x), mix.out.weight * mixed + mix.out.bias)


def test_a_large_map_is_summed_beyond_float16():
    mix = make().half()
    x = torch.full((1, 8, 40, 40), 50.0).half()
    assert mix(x).isfinite().all() and mix.weights(x).dtype == torch.float16
