"""What only the Vision Permutator promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.catalog import find
from attention_lib.checks import randomize
from attention_lib.measure.cost import measure
from attention_lib.mixing import VisionPermutator

LAYERS = ("mix_rows", "mix_columns", "mix_channels")


def make(**sizes):
    mix = VisionPermutator(**{**dict(channels=6, height=7, width=5, segment_size=3), **sizes})
    return randomize(mix).double()


def only(branch, **sizes):
    """A permutator in which two of the three branches give zeros, and the last layer nothing."""
    mix = make(**sizes)
    for name in LAYERS:
        if name != branch:
            nn.init.zeros_(getattr(mix, name).weight)
    nn.init.zeros_(mix.excite.weight)
    nn.init.zeros_(mix.excite.bias)
    mix.out.weight.data = torch.eye(mix.channels).double()[..., None, None]
    nn.init.zeros_(mix.out.bias)
    return lambda x: 3 * mix(x)  # each branch weighs a third


def reached(branch, channel, i, j, **sizes):
    """Channels, rows and columns that a 1 at one number moves."""
    x = torch.zeros(1, 6, 7, 5, dtype=torch.float64)
    x[0, channel, i, j] = 1
    axes = only(branch, **sizes)(x)[0].nonzero().unbind(dim=1)
    return [sorted(set(axis.tolist())) for axis in axes]


def test_defaults_are_the_papers():
    """The first blocks of the paper's middle model: 256 channels, 32 × 32 places."""
    mix = VisionPermutator(256, 32, 32)
    assert mix.mix_rows.weight.shape[:2] == mix.mix_columns.weight.shape == (256, 256)
    assert mix.hidden == 64 and isinstance(mix.squash[1], nn.GELU)
    assert mix.squash[1].approximate == "none" and mix.out.bias is not None
    assert not any(getattr(mix, name).bias is not None for name in LAYERS)


@pytest.mark.parametrize("name", ["channels", "height", "width", "segment_size", "reduction"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be (at least|between) 1"):
        make(**{name: number})
    assert make(**{"segment_size": 1, "reduction": 1, name: 1})


def test_channels_must_be_a_multiple_of_the_segment_size():
    with pytest.raises(ValueError, match="channels=6 must be a multiple of segment_size=4"):
        make(segment_size=4)
    assert make(segment_size=6).segment_size == 6


def test_something_must_be_left_in_the_middle_of_the_gate():
    with pytest.raises(ValueError, match="reduction=7 must be between 1 and channels=6"):
        make(reduction=7)
    assert make(reduction=6).hidden == 1


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="height=7, width=5"):
        make()(torch.zeros(1, 6, 5, 7, dtype=torch.float64))


def test_the_first_branch_mixes_a_column_within_a_group_of_channels():
    assert reached("mix_rows", 4, 2, 1) == [[3, 4, 5], [0, 1, 2, 3, 4, 5, 6], [1]]


def test_the_second_branch_mixes_a_row_within_a_group_of_channels():
    assert reached("mix_columns", 4, 2, 1) == [[3, 4, 5], [2], [0, 1, 2, 3, 4]]


def test_the_third_branch_mixes_the_channels_of_a_place():
    assert reached("mix_channels", 4, 2, 1) == [[0, 1, 2, 3, 4, 5], [2], [1]]


@pytest.mark.parametrize("branch", LAYERS)
def test_a_layer_of_ones_and_zeros_changes_nothing(branch):
    """What was taken apart is put together again, row by row and channel by channel."""
    mix = make()
    for name in LAYERS:
        weight = getattr(mix, name).weight
        weight.data = torch.eye(len(weight)).double().view_as(weight) * (name == branch)
    nn.init.zeros_(mix.excite.weight)
    nn.init.zeros_(mix.excite.bias)
    mix.out.weight.data = torch.eye(6).double()[..., None, None]
    nn.init.zeros_(mix.out.bias)
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    assert_close(mix(x), x / 3)


def test_groups_of_channels_share_one_layer():
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    for branch in LAYERS[:2]:
        mix = only(branch)
        assert_close(mix(x.roll(3, dims=1)), mix(x).roll(3, dims=1))


def test_a_transposed_map_has_height_and_width_exchanged():
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    mix, other = make(), make(height=5, width=7)
    other.load_state_dict(
        mix.state_dict()
        | {
            "mix_rows.weight": mix.mix_columns.weight[..., None],
            "mix_columns.weight": mix.mix_rows.weight[..., 0],
            "excite.weight": mix.excite.weight.view(3, 6, -1)[[1, 0, 2]].flatten(0, 1),
            "excite.bias": mix.excite.bias.view(3, 6)[[1, 0, 2]].flatten(),
        }
    )
    assert_close(other(x.mT).mT, mix(x))


def test_weights_over_the_branches_sum_to_one_in_each_channel():
    weights = make().weights(torch.randn(2, 6, 7, 5, dtype=torch.float64))
    assert weights.shape == (2, 3, 6)
    assert_close(weights.sum(dim=1), torch.ones(2, 6, dtype=torch.float64))


def test_weights_are_those_that_forward_uses():
    mix = make()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    weights = mix.weights(x)[..., None, None]
    branches = torch.stack([only(name)(x) for name in LAYERS], dim=1)
    assert_close(mix(x), mix.out((weights * branches).sum(dim=1)))


def test_where_one_branch_is_far_ahead_the_others_do_not_count():
    mix = make()
    nn.init.zeros_(mix.excite.weight)
    mix.excite.bias.data = torch.tensor([0.0, 0, 1e3]).double().repeat_interleave(6)
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    assert_close(mix(x), mix.out(mix.mix_channels(x)))


@pytest.mark.parametrize("sizes", [dict(height=28, width=20), dict(height=20, width=31)])
def test_the_largest_tensor_is_what_the_card_says(sizes):
    """Its sizes are set when it is made, so the contract does not let them grow."""
    sizes = dict(channels=64, segment_size=1, **sizes)
    with torch.device("meta"):
        counted = measure(
            VisionPermutator(**sizes), torch.empty(1, 64, sizes["height"], sizes["width"])
        )
    assert counted.memory == find("vip").cost("memory", **sizes)
