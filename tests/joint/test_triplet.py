"""What only triplet attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import TripletAttention


def with_open_gates(*closed):
    """All three gates open wide, but for those named; 0 and 1 to the last digit."""
    triplet = randomize(TripletAttention(4, kernel_size=3)).double().eval()
    for name in ("channel_width", "height_channel", "height_width"):
        conv, norm, _ = getattr(triplet, name)
        conv.weight.data.zero_()
        norm.running_mean.zero_()
        norm.bias.data.fill_(-100 if name in closed else 100)
    return triplet


def test_defaults_are_the_papers():
    triplet = TripletAttention(16)
    branches = (triplet.channel_width, triplet.height_channel, triplet.height_width)
    assert [branch[0].kernel_size for branch in branches] == [(7, 7)] * 3
    assert {branch[1].momentum for branch in branches} == {0.01}
    assert sum(p.numel() for p in triplet.parameters()) == 3 * (2 * 49 + 2)


@pytest.mark.parametrize("kernel_size", [0, 2, 4, -1, -3])
def test_an_even_kernel_is_refused_by_name(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size} must be odd and at least 1"):
        TripletAttention(8, kernel_size)


def test_no_channels_are_refused_by_name():
    with pytest.raises(ValueError, match="channels=0 must be at least 1"):
        TripletAttention(0)


@pytest.mark.parametrize("closed", ["channel_width", "height_channel", "height_width"])
def test_each_gate_counts_for_a_third(closed):
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    assert_close(with_open_gates()(x), x)
    assert_close(with_open_gates(closed)(x), x * 2 / 3)


@pytest.mark.parametrize(
    ("branch", "moved"),
    [
        ("channel_width", lambda c, i, j: (abs(c - 4) <= 1) & (abs(j - 5) <= 1)),
        ("height_channel", lambda c, i, j: (abs(i - 3) <= 1) & (abs(c - 4) <= 1)),
        ("height_width", lambda c, i, j: (abs(i - 3) <= 1) & (abs(j - 5) <= 1)),
    ],
)
def test_a_branch_sees_two_axes_and_spans_the_third(branch, moved):
    """One number changes: the gates of a branch move near it on two axes, all along the third."""
    triplet = randomize(TripletAttention(9, kernel_size=3)).double().eval()
    for name in {"channel_width", "height_channel", "height_width"} - {branch}:
        getattr(triplet, name)[1].weight.data.zero_()
    x = torch.randn(1, 9, 7, 11, dtype=torch.float64)
    changed = x.clone()
    changed[0, 4, 3, 5] += 5
    c, i, j = torch.meshgrid(*(torch.arange(n) for n in x.shape[1:]), indexing="ij")
    assert torch.equal((triplet.gate(changed) != triplet.gate(x))[0], moved(c, i, j))


def test_statistics_of_one_place_cannot_be_trained_on():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        TripletAttention(8)(torch.randn(1, 8, 1, 1))
    assert TripletAttention(8)(torch.randn(1, 8, 1, 2)).isfinite().all()


def test_a_branch_reads_maximum_first_then_mean():
    """As in the paper's Z-pool: weights of others fit only in this order."""
    triplet = with_open_gates("channel_width", "height_channel", "height_width")
    conv, norm, _ = triplet.height_width
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    with torch.no_grad():
        norm.bias.zero_()
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        conv.weight[0, 0, 1, 1] = 1
    assert_close(triplet.gate(x), x.amax(1, keepdim=True).sigmoid().expand_as(x) / 3)
