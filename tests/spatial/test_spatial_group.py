"""What only spatial group-wise enhance promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.spatial import SpatialGroupEnhance


def make(channels=6, groups=2):
    return randomize(SpatialGroupEnhance(channels, groups)).double()


def test_defaults_are_the_papers():
    enhance = SpatialGroupEnhance(128)
    assert enhance.groups == 64
    assert enhance.scale.tolist() == [0.0] * 64 and enhance.shift.tolist() == [1.0] * 64


def test_at_the_start_every_gate_is_that_of_one():
    x = torch.randn(2, 6, 7, 5)
    assert_close(SpatialGroupEnhance(6, groups=2)(x), x * torch.ones(()).sigmoid())


@pytest.mark.parametrize("name", ["channels", "groups"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        SpatialGroupEnhance(**{"channels": 6, "groups": 2, name: number})
    assert SpatialGroupEnhance(1, 1).groups == 1


def test_channels_must_be_a_multiple_of_groups():
    with pytest.raises(ValueError, match="channels=6 is not a multiple of groups=4"):
        SpatialGroupEnhance(6, groups=4)


def test_a_single_pixel_has_the_gate_of_its_shift():
    """Where there is nothing to compare with, the deviation is 0 and not 0 / 0."""
    enhance = make()
    x = torch.randn(3, 6, 1, 1, dtype=torch.float64)
    gates = enhance.shift.sigmoid()[None, :, None, None].expand(3, -1, -1, -1)
    assert_close(enhance.gate(x), gates)


def test_a_map_that_is_alike_everywhere_can_be_learned_from():
    enhance = make()
    x = torch.ones(2, 6, 7, 5, dtype=torch.float64, requires_grad=True)
    y = enhance(x)
    y.square().sum().backward()
    assert_close(y, enhance.shift.sigmoid().repeat_interleave(3)[:, None, None].expand_as(x))
    assert x.grad.isfinite().all() and enhance.shift.grad.all()


def test_logits_have_the_shift_as_mean_and_the_scale_as_deviation():
    """Over the places of each group, with the deviation of all places and not of one less."""
    enhance = make()
    logits = enhance.gate(100 * torch.randn(2, 6, 4, 3, dtype=torch.float64)).logit().flatten(2)
    assert_close(logits.mean(dim=-1), enhance.shift.expand(2, 2))
    spread = logits.std(dim=-1, correction=0)  # the 1e-5 is lost beside numbers like these
    assert_close(spread, enhance.scale.abs().expand(2, 2), rtol=1e-7, atol=1e-7)


def test_a_small_number_keeps_a_small_deviation_from_being_blown_up():
    """It stands beside the deviation, so that one of 1e-5 is normalised to a half."""
    enhance = SpatialGroupEnhance(1, groups=1).double()
    enhance.scale.data[:] = 1
    places = torch.tensor([1.0, -1]).double()
    x = (1 + 1e-5 * places)[None, None, None]  # its average is 1, and its deviation is 1e-5
    assert_close(enhance.gate(x).logit()[0, 0, 0], 1 + places / 2)


def test_the_place_most_like_the_average_is_turned_down_least():
    enhance = SpatialGroupEnhance(2, groups=1)
    enhance.scale.data[:] = 1
    x = torch.tensor(
        [[[[3.0, 1, 0]], [[0.0, 0, 1]]]]
    )  # on average (4/3, 1/3): the first is nearest
    assert enhance.gate(x).argmax() == 0 and enhance.gate(x).argmin() == 2


def test_a_group_sees_and_turns_down_its_own_channels_alone():
    enhance = make()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    changed = x.clone()
    changed[:, 3:] = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    y, other = enhance(x), enhance(changed)
    assert_close(other[:, :3], y[:, :3])
    gates = (y / x).unflatten(1, (2, 3))
    assert_close(gates, enhance.gate(x)[:, :, None].expand_as(gates))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_products_beyond_float16_are_compared_all_the_same(dtype):
    single = randomize(SpatialGroupEnhance(6, groups=2)).to(dtype).float()
    low = SpatialGroupEnhance(6, groups=2).to(dtype)
    low.load_state_dict(single.state_dict())
    x = (3e3 * torch.randn(2, 6, 7, 5)).to(dtype)
    gate = low.gate(x)
    assert gate.dtype == dtype
    assert_close(gate.float(), single.gate(x.float()), rtol=0.02, atol=0.02)
