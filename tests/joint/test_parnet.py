"""What only the ParNet block's attention promises."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import ParNetAttention


def ready(channels=6):
    return randomize(ParNetAttention(channels)).double().eval()


@pytest.mark.parametrize("channels", [0, -2])
def test_no_channels_are_refused_by_name(channels):
    with pytest.raises(ValueError, match=f"channels={channels} must be at least 1"):
        ParNetAttention(channels)
    assert ParNetAttention(1).channels == 1


def test_no_layer_has_a_bias():
    block = ParNetAttention(6)
    assert block.point[0].bias is block.square[0].bias is block.excite.bias is None


def test_the_skip_is_normalised_before_its_gate():
    block = ready()
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    skip = block.skip(x)
    gate = block.excite(skip.mean(dim=(-2, -1))).sigmoid()
    assert_close(block.gate(x), gate)
    total = block.point(x) + block.square(x) + gate[..., None, None] * skip
    assert_close(block(x), F.silu(total))
    assert not torch.allclose(block.excite(x.mean(dim=(-2, -1))).sigmoid(), gate)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (2, 9)])
def test_both_convolutions_fold_into_one(height, width):
    block = ready()
    one = block.folded()
    assert one.kernel_size == (3, 3) and one.bias is not None
    x = torch.randn(2, 6, height, width, dtype=torch.float64)
    assert_close(one(x), block.point(x) + block.square(x))


def test_folding_leaves_the_block_as_it_is():
    block = ready()
    before = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    one = block.folded()
    with torch.no_grad():
        one.weight.zero_()
        one.bias.zero_()
    assert_close(dict(block.state_dict()), before, rtol=0, atol=0)


def test_only_eval_mode_can_be_folded():
    with pytest.raises(ValueError, match="training=True: only eval mode can be folded"):
        ready().train().folded()


def test_statistics_of_one_place_cannot_be_trained_on():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ParNetAttention(6)(torch.randn(1, 6, 1, 1))
    assert ParNetAttention(6)(torch.randn(1, 6, 1, 2)).isfinite().all()


def test_a_sum_beyond_float16_is_no_answer_where_it_is_far_below_zero():
    """Each convolution fits, both together are below -65504, and SiLU makes 0 of that."""
    block = ParNetAttention(1).eval().half()
    for layer in (block.point[0], block.square[0]):
        torch.nn.init.constant_(layer.weight, -1 / layer.weight.numel())
    assert (block(torch.full((1, 1, 5, 5), 5e4).half())[..., 2, 2] == 0).all()
