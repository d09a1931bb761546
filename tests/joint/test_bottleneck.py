"""What only bottleneck attention promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import BottleneckAttention

# BAM stands at the three bottlenecks of ResNet-50, behind the stages of these channels
BOTTLENECKS = (256, 512, 1024)
PLAIN, RELEASED, PUBLISHED = 25_557_032, 25_915_099, 25.92


def ready(**arguments):
    given = dict(channels=8, reduction=3, dilation=2)
    return randomize(BottleneckAttention(**{**given, **arguments})).double().eval()


def size(**arguments):
    modules = [BottleneckAttention(channels, **arguments) for channels in BOTTLENECKS]
    return PLAIN + sum(p.numel() for module in modules for p in module.parameters())


def test_the_published_size():
    assert size(multiply=True) == RELEASED
    assert round(size() / 1e6, 2) == round(RELEASED / 1e6, 2) == PUBLISHED


def test_defaults_are_the_papers():
    bottleneck = BottleneckAttention(240)
    around = [layer for layer in bottleneck.spatial_branch if isinstance(layer, nn.Conv2d)][1:3]
    assert [conv.dilation for conv in around] == [(4, 4)] * 2
    assert bottleneck.channel_branch[0].out_features == 15
    assert bottleneck.spatial_branch[0].out_channels == 15
    assert isinstance(bottleneck.channel_branch[-1], nn.BatchNorm1d)
    assert isinstance(bottleneck.spatial_branch[-1], nn.BatchNorm2d)
    assert not bottleneck.multiply


@pytest.mark.parametrize("reduction", [0, -1, 9])
def test_a_middle_without_units_is_refused_by_name(reduction):
    with pytest.raises(ValueError, match=f"reduction={reduction} must be between 1 and .*=8"):
        BottleneckAttention(8, reduction)


def test_the_middle_may_be_as_wide_as_the_map_or_one():
    assert BottleneckAttention(8, reduction=1).hidden == 8
    assert BottleneckAttention(8, reduction=8).hidden == 1


@pytest.mark.parametrize("dilation", [0, -1])
def test_no_dilation_is_refused_by_name(dilation):
    with pytest.raises(ValueError, match=f"dilation={dilation} must be at least 1"):
        BottleneckAttention(16, dilation=dilation)


@pytest.mark.parametrize(("height", "width"), [(7, 7), (4, 9), (11, 3), (1, 1)])
@pytest.mark.parametrize("dilation", [1, 3, 4])
def test_every_size_of_map_keeps_its_size(height, width, dilation):
    """What is laid around the map must match the dilation."""
    x = torch.randn(2, 8, height, width, dtype=torch.float64)
    assert ready(dilation=dilation)(x).shape == x.shape


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_place_is_seen_two_dilations_away(dilation):
    bottleneck = ready(dilation=dilation)
    x = torch.randn(1, 8, 15, 17, dtype=torch.float64)
    for layer in bottleneck.spatial_branch:
        if isinstance(layer, nn.BatchNorm2d):
            layer.bias.data.fill_(5)  # no ReLU is shut
    grad = torch.autograd.functional.jacobian(lambda x: bottleneck.spatial_branch(x)[0, 0, 7, 8], x)
    rows, columns = grad[0].any(dim=0).nonzero(as_tuple=True)
    steps = dilation * torch.arange(-2, 3)
    assert rows.unique().tolist() == (7 + steps).tolist()
    assert columns.unique().tolist() == (8 + steps).tolist()


@pytest.mark.parametrize(("multiply", "combined"), [(False, torch.add), (True, torch.mul)])
def test_votes_are_added_or_multiplied(multiply, combined):
    bottleneck = ready(multiply=multiply)
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    channel, place = bottleneck.channel_branch(x.mean((2, 3))), bottleneck.spatial_branch(x)
    gate = combined(channel[:, :, None, None], place).sigmoid()
    assert_close(bottleneck.gate(x), gate)
    assert_close(bottleneck(x), x * (1 + gate))


def test_a_number_is_at_most_doubled_and_never_lessened():
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    ratio = ready()(x) / x
    assert (ratio > 1).all() and (ratio < 2).all()


def test_one_sample_has_statistics_for_its_places_but_not_for_its_channels():
    bottleneck = BottleneckAttention(16)
    x = torch.randn(1, 16, 5, 7)
    assert bottleneck.spatial_branch(x).isfinite().all()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        bottleneck(x)
    assert bottleneck.eval()(x).isfinite().all()


@pytest.mark.parametrize("multiply", [False, True])
def test_only_the_released_form_has_biases(multiply):
    bottleneck = BottleneckAttention(16, multiply=multiply)
    biased = [
        layer.bias is not None
        for branch in (bottleneck.channel_branch, bottleneck.spatial_branch)
        for layer in branch
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    assert biased == [multiply] * 6
