"""What only squeeze-and-excitation promises."""

import torch
from torch.testing import assert_close

from attention_lib.channel import SqueezeExcitation

# channels and number of the residual blocks of ResNet-50, and the published parameters in millions
RESNET50 = {256: 3, 512: 4, 1024: 6, 2048: 3}
PLAIN, PUBLISHED = 25_557_032, 28.09


def test_the_published_size_needs_the_biases():
    def added(bias):
        modules = (SqueezeExcitation(c, bias=bias) for c, n in RESNET50.items() for _ in range(n))
        return sum(p.numel() for module in modules for p in module.parameters())

    assert round((PLAIN + added(bias=True)) / 1e6, 2) == PUBLISHED
    assert round((PLAIN + added(bias=False)) / 1e6, 2) != PUBLISHED


def test_a_gate_depends_on_means_alone():
    squeeze = SqueezeExcitation(8, reduction=2)
    x = torch.randn(2, 8, 5, 7)
    flat = x.mean(dim=(-2, -1), keepdim=True).expand(-1, -1, 3, 2)
    assert_close(squeeze.gate(flat), squeeze.gate(x))


def test_defaults_are_the_papers():
    squeeze = SqueezeExcitation(240)
    assert squeeze.squash.out_features == 15
    assert squeeze.squash.bias is not None and squeeze.excite.bias is not None


def test_the_middle_may_be_as_wide_as_the_map_or_one():
    assert SqueezeExcitation(8, reduction=1).squash.out_features == 8
    assert SqueezeExcitation(8, reduction=8).squash.out_features == 1


def test_channels_need_not_divide():
    assert SqueezeExcitation(20, reduction=16).squash.out_features == 1
