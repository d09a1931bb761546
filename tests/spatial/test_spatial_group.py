"""What only spatial group-wise enhancement promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.spatial import SpatialGroupEnhance

X = torch.randn(2, 12, 7, 5).double()


@pytest.fixture
def enhance():
    return randomize(SpatialGroupEnhance(12, groups=3)).double()


def test_at_the_start_every_place_passes_alike():
    fresh = SpatialGroupEnhance(12, groups=3).double()
    assert_close(fresh(X), X * torch.ones(()).double().sigmoid())
    assert SpatialGroupEnhance(128).groups == 64


def test_a_single_place_has_a_deviation(enhance):
    one = X[..., :1, :1].clone().requires_grad_()
    gate = enhance.shift.sigmoid().repeat_interleave(4)[:, None, None]
    assert_close(enhance(one), gate * one)
    enhance(one).sum().backward()
    assert_close(one.grad, gate.expand_as(one))


def test_gates_know_which_places_look_like_the_mean(enhance):
    """Normalised over the map: mean 0, deviation 1, the size of the map taken out."""
    torch.nn.init.ones_(enhance.scale), torch.nn.init.zeros_(enhance.shift)
    logits = enhance.gate(1e3 * X).logit().flatten(2)
    assert_close(logits.mean(-1), torch.zeros(2, 3).double())
    assert_close(logits.std(-1, correction=0), torch.ones(2, 3).double())
    likeness = torch.einsum("bgchw,bgc->bghw", *(
        t.unflatten(1, (3, 4)) for t in (X, X.mean((2, 3)))
    )).flatten(2)  # fmt: skip
    assert torch.equal(logits.argmax(-1), likeness.argmax(-1))


@pytest.mark.parametrize("size", [1, 10])
def test_the_deviation_is_added_to_not_under_the_root(enhance, size):
    """On a nearly even map epsilon counts, and shows where it stands, and beside what."""
    even = size + 1e-5 / size * X
    group = even[0, :4].flatten(1)
    alike = group.mean(1) @ group
    deviation = alike.std(correction=0)
    assert deviation < 1e-3
    logits = enhance.scale[0] * (alike - alike.mean()) / (deviation + 1e-5) + enhance.shift[0]
    assert_close(enhance.gate(even)[0, 0].flatten(), logits.sigmoid())


def test_gates_are_those_that_forward_uses(enhance):
    assert_close(enhance(X), enhance.gate(X).repeat_interleave(4, dim=1) * X)


@pytest.mark.parametrize("sign", [1, -1])
def test_likeness_beyond_float16_is_still_told_apart(sign):
    """c is about 1000 · 1000 here; float16 ends at 65504."""
    enhance = randomize(SpatialGroupEnhance(12, groups=3))
    large = sign * (1000 + 100 * X.float())
    exact, low = enhance.gate(large), enhance.half().gate(large.half())
    assert low.isfinite().all() and (low.float() - exact).abs().max() < 0.01
    assert exact.std() > 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels=12), "channels=12 must be a multiple of groups=64"),
        (dict(channels=0, groups=1), "channels=0 must be at least 1"),
        (dict(channels=12, groups=-3), "groups=-3 must be at least 1"),
    ],
)
def test_what_cannot_be_cut_into_groups_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpatialGroupEnhance(**arguments)
    assert SpatialGroupEnhance(1, groups=1).channels == 1
