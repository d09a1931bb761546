"""What only the spatial shift promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.mixing import SpatialShift

X = torch.randn(2, 12, 7, 5).double()


@pytest.fixture
def shift():
    return randomize(SpatialShift(12)).double()


def marked(shift):
    """The three mixtures, if a place and a feature can be read off every number."""
    with torch.no_grad():
        shift.expand.weight.copy_(torch.eye(12).repeat(3, 1))
        shift.expand.bias.zero_()
    rows, columns = torch.arange(7.0).double(), torch.arange(5.0).double()
    places = 10 * rows[:, None] + columns
    return [branch[0] for branch in shift._shifted(places.expand(1, 12, 7, 5))]


def test_each_quarter_moves_its_own_way_and_the_edge_keeps_its_own(shift):
    """The fault of others: an overlapping copy in place smears the first row over the map."""
    first, second, third = (branch.permute(2, 0, 1) for branch in marked(shift))
    rows, columns = torch.arange(7), torch.arange(5)

    def seen(by_row, by_column):
        row, column = (rows - by_row).clamp(0, 6), (columns - by_column).clamp(0, 4)
        return (10.0 * row[:, None] + column).double().expand(3, 7, 5)

    forth, back, down, up = seen(0, 1), seen(0, -1), seen(1, 0), seen(-1, 0)
    assert_close(first, torch.cat([forth, back, down, up]))
    assert_close(second, torch.cat([down, up, forth, back]))
    assert_close(third, seen(0, 0).repeat(4, 1, 1))


def test_the_shift_is_a_copy(shift):
    kept = []
    shift.expand.register_forward_hook(lambda module, args, y: kept.append((y, y.clone())))
    shift.requires_grad_(False)._shifted(X)  # with gradients torch refuses to write there
    [(after, before)] = kept
    assert torch.equal(after, before)


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6, 7])
def test_any_number_of_channels_is_cut_into_quarters(channels):
    """Quarters of unequal size, or of none; every feature is moved or stays, none is lost."""
    shift = randomize(SpatialShift(channels, reduction=1)).double()
    x = torch.zeros(1, channels, 3, 3).double()
    shift.expand.bias.data.zero_()
    x[..., 1, 1] = 1
    for branch in shift._shifted(x):
        assert branch.shape == (1, 3, 3, channels)
        assert ((branch != 0).sum(dim=(1, 2)) == 1).all(), "each feature lands at one place"


def test_weights_over_the_mixtures_sum_to_one_and_forward_uses_them(shift):
    weights, branches = shift.weights(X), shift._shifted(X)
    assert_close(weights.sum(dim=1), torch.ones(2, 12).double())
    mixed = sum(w[:, None, None] * b for w, b in zip(weights.unbind(1), branches, strict=True))
    assert_close(shift(X), shift.out(mixed).permute(0, 3, 1, 2))


def test_weights_are_made_from_a_sum_over_places_not_a_mean(shift):
    summed = sum(branch.sum(dim=(1, 2)) for branch in shift._shifted(X))
    hidden = torch.nn.functional.gelu(shift.squash(summed))
    assert_close(shift.weights(X), shift.excite(hidden).view(2, 3, 12).softmax(dim=1))


def test_the_sum_over_a_large_map_does_not_leave_float16():
    shift = randomize(SpatialShift(4, reduction=1)).half()
    x = torch.full((1, 4, 300, 300), 10.0).half()
    assert shift(x).isfinite().all() and shift.weights(x).sum(dim=1).allclose(torch.ones(4).half())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_narrow_the_sum_over_a_large_map(dtype):
    shift = randomize(SpatialShift(4, reduction=1))
    x = torch.full((1, 4, 300, 300), 10.0)
    expected = shift.weights(x)
    with torch.autocast("cpu", dtype):
        assert_close(shift.weights(x), expected.to(dtype))
        assert shift(x).isfinite().all()


def test_defaults_give_the_parameters_of_the_papers_models():
    """C / 4 in the middle gives the 25 million of its small model.

    Counted are 4 blocks with 192 channels and 14 with 384, as the small Vision Permutator has them,
    each with two layers that are three times wider in the middle; patches of 7 and of 2; classes.
    """
    total = 192 * 3 * 7**2 + 384 * 192 * 2**2 + 1000 * 384
    for blocks, channels in ((4, 192), (14, 384)):
        with torch.device("meta"):
            shift = SpatialShift(channels)
        assert shift.squash.bias is None and shift.excite.bias is None
        assert shift.squash.out_features == channels // 4
        own = sum(parameter.numel() for parameter in shift.parameters())
        total += blocks * (own + 2 * 3 * channels**2)
    assert round(total / 1e6) == 25


@pytest.mark.parametrize("reduction", [0, -1, 9])
def test_an_empty_middle_is_refused(reduction):
    with pytest.raises(ValueError, match=f"reduction={reduction} must be between 1 and channels"):
        SpatialShift(8, reduction)
    assert SpatialShift(8, 8).hidden == SpatialShift(1, 1).hidden == 1
