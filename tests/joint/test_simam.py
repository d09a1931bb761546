"""What only SimAM promises."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close

from attention_lib.joint import SimAM


def test_the_default_is_the_authors():
    attention = SimAM(8)
    assert attention.regularization == 1e-4
    assert not attention.state_dict()


@pytest.mark.parametrize("channels", [0, -1])
def test_no_channels_are_refused_by_name(channels):
    with pytest.raises(ValueError, match=f"channels={channels} must be at least 1"):
        SimAM(channels)


@pytest.mark.parametrize("regularization", [0.0, -1e-4, float("nan")])
def test_no_regularization_is_refused_by_name(regularization):
    with pytest.raises(ValueError, match=f"regularization={regularization} must be above 0"):
        SimAM(8, regularization)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (5, 7)])
@pytest.mark.parametrize("value", [-3.0, 0.0, 1e3])
def test_a_map_without_spread_has_gates_of_sigmoid_a_half(height, width, value):
    """Also a map of one place, for which HW - 1 is nothing."""
    x = torch.full((2, 3, height, width), value, dtype=torch.float64, requires_grad=True)
    gates = SimAM(3).gate(x)
    assert_close(gates, torch.full_like(x, 0.5).sigmoid())
    assert torch.autograd.grad(gates.sum(), x)[0].isfinite().all()


def test_the_gate_is_that_of_the_energy():
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    attention = SimAM(3, regularization=0.3)
    variance = x.var(dim=(2, 3), keepdim=True) + 0.3  # by HW - 1
    distance = x - x.mean(dim=(2, 3), keepdim=True)
    energy = 4 * variance / (distance**2 + 2 * variance)
    assert_close(attention.gate(x), (1 / energy).sigmoid())
    assert_close(attention(x), x * attention.gate(x))


def test_two_places_are_as_far_from_their_mean_as_can_be():
    """Each is s / √2 from it, whatever the numbers are."""
    x = torch.tensor([[[[1.0, 5.0]]], [[[-300.0, 40.0]]]], dtype=torch.float64)
    gates = SimAM(1, regularization=1e-12).gate(x)
    assert_close(gates, torch.full_like(x, 0.5 + 1 / 8).sigmoid())


def test_channels_do_not_meet():
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    changed = x.clone()
    changed[:, 1] *= 10
    assert torch.equal(SimAM(3)(changed)[:, [0, 2]], SimAM(3)(x)[:, [0, 2]])


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3, 1e4])
def test_large_and_small_numbers_keep_their_gates_in_half_precision(scale):
    """The square of 1e3 is infinite there, that of 1e-4 nothing."""
    x = (scale * torch.randn(2, 3, 9, 7)).half()
    exact = SimAM(3).gate(x.double())
    assert (SimAM(3).gate(x).double() - exact).abs().max() < torch.finfo(torch.half).eps


@pytest.mark.parametrize("numbers", [[5e4], [5e4, 4e4], [6e4, -6e4, 6e4]])
def test_the_largest_numbers_of_half_precision_keep_their_gates_at_few_places(numbers):
    """Where HW / (HW - 1) is far from 1, a number that it scales up would be infinite."""
    x = torch.tensor([[[numbers]]], dtype=torch.half)
    assert_close(SimAM(1).gate(x), SimAM(1).gate(x.double()).half())


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (5, 7)])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 2e-3), (torch.float64, 1e-9)])
def test_what_is_compiled_is_written_otherwise_and_gives_the_same(height, width, dtype, error):
    """Its squares, of numbers near a thousand, would leave float16."""
    x = (300 * torch.randn(2, 3, height, width)).to(dtype)
    attention = SimAM(3, regularization=0.3)
    compiled = torch.export.export(attention, (x,))
    assert_close(compiled.module()(x).double(), attention(x.double()), rtol=error, atol=error)
    assert "group_norm" not in str(compiled.graph)
    assert "group_norm" in str(make_fx(attention)(x).graph)
