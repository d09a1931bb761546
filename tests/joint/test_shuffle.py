"""What only shuffle attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import ShuffleAttention


def ready(channels=12, groups=3):
    return randomize(ShuffleAttention(channels, groups)).double()


def open_gates(channels=12, groups=3):
    """Every gate is 1, so that only the shuffle is left."""
    shuffle = ready(channels, groups)
    for name in ("channel_scale", "spatial_scale"):
        getattr(shuffle, name).data.zero_()
    for name in ("channel_shift", "spatial_shift"):
        getattr(shuffle, name).data.fill_(100)
    return shuffle


def test_defaults_are_the_papers():
    """64 groups; 3 C / G parameters; at the start every gate is that of 1."""
    shuffle = ShuffleAttention(256)
    assert shuffle.groups == 64 and shuffle.share == 2
    assert sum(p.numel() for p in shuffle.parameters()) == 3 * 256 // 64
    x = torch.randn(2, 256, 5, 7)
    one = torch.tensor(1.0).sigmoid().item()
    assert_close(shuffle.channel_gate(x), torch.full((2, 64, 2), one))
    assert_close(shuffle.spatial_gate(x), torch.full((2, 64, 2, 5, 7), one))


@pytest.mark.parametrize(("channels", "groups"), [(12, 4), (6, 6), (7, 1), (0, 1), (-4, 2)])
def test_channels_must_be_a_multiple_of_twice_the_groups(channels, groups):
    with pytest.raises(ValueError, match=f"channels={channels} must be "):
        ShuffleAttention(channels, groups)


@pytest.mark.parametrize("groups", [0, -1])
def test_no_groups_are_refused_by_name(groups):
    with pytest.raises(ValueError, match=f"groups={groups} must be at least 1"):
        ShuffleAttention(12, groups)


def test_the_halves_of_the_map_are_interleaved():
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    order = [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    for groups in (1, 2, 3, 6):
        assert_close(open_gates(groups=groups)(x), x[:, order])


def test_each_group_has_a_half_of_either_kind():
    """Channels 0 1 | 2 3 of a group: the first two by their mean, the others by their places."""
    shuffle = ready(12, groups=3)
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    groups = x.view(2, 3, 2, 2, 5, 7)
    means = groups[:, :, 0].mean(dim=(-2, -1))
    assert_close(
        shuffle.channel_gate(x), (shuffle.channel_scale * means + shuffle.channel_shift).sigmoid()
    )
    second = groups[:, :, 1]
    mean, var = second.mean((-2, -1), keepdim=True), second.var((-2, -1), False, keepdim=True)
    normed = (second - mean) / (var + 1e-5).sqrt()
    weight, bias, scale, shift = (
        vector[:, None, None]
        for vector in (
            shuffle.norm_scale, shuffle.norm_shift, shuffle.spatial_scale, shuffle.spatial_shift
        )
    )  # fmt: skip
    logits = scale * (weight * normed + bias) + shift
    assert_close(shuffle.spatial_gate(x), logits.sigmoid())


def test_gates_are_those_that_forward_uses():
    shuffle = ready(12, groups=3)
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    channel, place = shuffle.channel_gate(x)[..., None, None], shuffle.spatial_gate(x)
    gates = torch.stack([channel.expand_as(place), place], dim=2).view_as(x)
    assert_close(shuffle(x), open_gates(12, groups=3)(gates * x))


def test_one_number_a_map_is_enough():
    x = torch.randn(1, 2, 1, 1, dtype=torch.float64)
    shuffle = ready(2, groups=1)
    gate = (shuffle.spatial_scale * shuffle.norm_shift + shuffle.spatial_shift).sigmoid()
    assert_close(shuffle.spatial_gate(x).flatten(), gate)
    gates = torch.cat([shuffle.channel_gate(x).flatten(), gate])
    assert_close(shuffle(x).flatten(), gates * x.flatten())
