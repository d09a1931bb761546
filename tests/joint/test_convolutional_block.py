"""What only convolutional block attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import ConvolutionalBlockAttention

# channels and number of the residual blocks of ResNet-50, and what is known of CBAM-ResNet-50
RESNET50 = {256: 3, 512: 4, 1024: 6, 2048: 3}
PLAIN, COUNTED, PUBLISHED, UNBIASED = 25_557_032, 28_089_624, 28.09, 28.07


def ready(**arguments):
    given = dict(channels=8, reduction=2, kernel_size=3)
    return randomize(ConvolutionalBlockAttention(**{**given, **arguments})).double().eval()


def test_the_published_size_needs_the_biases():
    def size(bias):
        blocks = (
            ConvolutionalBlockAttention(c, bias=bias) for c, n in RESNET50.items() for _ in range(n)
        )
        return PLAIN + sum(p.numel() for block in blocks for p in block.parameters())

    assert size(bias=True) == COUNTED
    assert round(size(bias=True) / 1e6, 2) == PUBLISHED
    assert round(size(bias=False) / 1e6, 2) == UNBIASED


def test_defaults_are_the_papers():
    block = ConvolutionalBlockAttention(240)
    conv, norm = block.mix
    assert block.squash.out_features == 15 and block.squash.bias is not None
    assert conv.kernel_size == (7, 7) and conv.bias is None
    assert norm.momentum == 0.01


@pytest.mark.parametrize("kernel_size", [0, 2, 4, -1])
def test_an_even_kernel_is_refused_by_name(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size} must be odd and at least 1"):
        ConvolutionalBlockAttention(16, kernel_size=kernel_size)


@pytest.mark.parametrize("reduction", [0, -1, 9])
def test_a_middle_without_units_is_refused_by_name(reduction):
    with pytest.raises(ValueError, match=f"reduction={reduction} must be between 1 and .*=8"):
        ConvolutionalBlockAttention(8, reduction)


def test_the_middle_may_be_as_wide_as_the_map_or_one():
    assert ConvolutionalBlockAttention(8, reduction=1).squash.out_features == 8
    assert ConvolutionalBlockAttention(8, reduction=8).squash.out_features == 1


def test_no_residual_inside():
    """Closed gates leave nothing of the map."""
    block = ready()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    with torch.no_grad():
        block.mix[1].bias.fill_(-1e3)
        block.mix[1].weight.zero_()
    assert_close(block(x), torch.zeros_like(x))


def test_channels_are_gated_before_places():
    """A channel that its gate has closed has no say in where to look."""
    block = ready(bias=True)
    block.excite.bias.data[3] = -1e3
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    changed = x.clone()
    changed[:, 3] = changed[:, 3].flip(-1)  # its mean and its maximum stay
    assert_close(block.spatial_gate(changed), block.spatial_gate(x))
    others = [c for c in range(8) if c != 3]
    assert_close(block(changed)[:, others], block(x)[:, others])


def test_gates_are_those_that_forward_uses():
    block = ready()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    gates = block.channel_gate(x)[:, :, None, None] * block.spatial_gate(x)[:, None]
    assert_close(block(x), gates * x)


def test_mean_and_maximum_are_asked_the_same_and_added():
    """A constant map: both are the constant, so the gate is that of twice the MLP's answer."""
    block = ready()
    constant = torch.randn(2, 8, dtype=torch.float64)
    answer = block.excite(block.squash(constant).relu())
    x = constant[..., None, None].expand(2, 8, 5, 7)
    assert_close(block.channel_gate(x), (2 * answer).sigmoid())


def test_the_maximum_comes_first():
    """As in the authors' code: their weights fit only in this order."""
    block = ready(kernel_size=1)
    conv, norm = block.mix
    with torch.no_grad():
        block.excite.weight.zero_()
        block.excite.bias.fill_(100)  # channel gates of one
        conv.weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        norm.running_mean.zero_()
        norm.bias.zero_()
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    assert_close(block.spatial_gate(x), x.amax(dim=1).sigmoid())


def test_statistics_of_one_place_cannot_be_trained_on():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ConvolutionalBlockAttention(16)(torch.randn(1, 16, 1, 1))
    assert ConvolutionalBlockAttention(16)(torch.randn(1, 16, 1, 2)).isfinite().all()
