"""What only ACmix promises."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.hybrid import ACmix
from attention_lib.measure.cost import measure
from tests.support.proof import largest_tensor

X = torch.randn(3, 6, 7, 5).double()


@pytest.fixture
def acmix():
    return randomize(ACmix(6, kernel_attention=5, heads=2)).double()


def alone(acmix, path):
    """The same with one of its two paths silenced, the other at full strength."""
    with torch.no_grad():
        acmix.attention_rate.fill_(path == "attention")
        acmix.convolution_rate.fill_(path == "convolution")
    return acmix


def test_defaults_are_the_papers():
    acmix = ACmix(64)
    assert (acmix.kernel_attention, acmix.kernel_convolution) == (7, 3)
    assert (acmix.heads, acmix.head_dim, acmix.stride) == (4, 16, 1)
    assert acmix.attention_rate == acmix.convolution_rate == 0.5
    assert acmix.shift.kernel_size == (3, 3) and acmix.shift.groups == 16


def test_it_begins_as_shifts_and_adds():
    """Map t reads the t-th place of the kernel alone, so that the maps make one convolution."""
    acmix = ACmix(6, heads=2, kernel_convolution=3).double()
    for t in range(9):
        expected = torch.zeros(3, 3).double()
        expected[t // 3, t % 3] = 1
        assert_close(acmix.shift.weight[:, t], expected.expand(6, 3, 3))
    assert not acmix.shift.bias.any()
    pieces = acmix.query_key_value(X).unflatten(1, (3, 6))  # 3 features × (3 parts × 2 heads)
    for feature in range(3):
        whole = acmix.mix.weight[..., 0, 0].mT.view(1, 6, 3, 3)
        expected = F.conv2d(pieces[:, feature], whole, padding=1)
        for o in (2 * feature, 2 * feature + 1):
            assert_close(alone(acmix, "convolution")(X)[:, o : o + 1], expected)


def test_a_map_too_small_to_be_mirrored_is_refused_by_name():
    mirrored = ACmix(6, kernel_attention=7, heads=2, mirror=True)
    assert mirrored(torch.randn(1, 6, 4, 5)).isfinite().all()
    with pytest.raises(ValueError, match=r"x must be more than kernel_attention // 2 = 3 pixels"):
        mirrored(torch.randn(1, 6, 3, 5))


def test_the_bias_of_the_convolution_is_kept(acmix):
    """It is a parameter, counts, and learns."""
    assert isinstance(acmix.shift.bias, nn.Parameter) and acmix.shift.bias.any()
    before = alone(acmix, "convolution")(X)
    with torch.no_grad():
        acmix.shift.bias += 1
    assert_close(acmix(X), before + 1)
    acmix(X).sum().backward()
    assert acmix.shift.bias.grad.all() and acmix.query_key_value.bias.grad.any()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_attention_is_that_among_all_pixels_behind_a_mask(stride):
    acmix = randomize(ACmix(6, kernel_attention=5, heads=2, stride=stride)).double()
    parts = acmix.query_key_value(X).flatten(2).unflatten(1, (3, 3, 2))
    query, key, value = parts.permute(2, 0, 3, 4, 1)
    row, column = (
        place.flatten() for place in torch.meshgrid(*map(torch.arange, (7, 5)), indexing="ij")
    )
    position = torch.stack([2 * column.double() / 4 - 1, 2 * row.double() / 6 - 1], dim=-1)
    apart = (position[:, None] - position).movedim(-1, 0)
    offsets = acmix.position(apart).movedim(0, -1)  # p_i - p_j, pair by pair
    logits = (query[..., :, None, :] * (key[..., None, :, :] + offsets)).sum(-1) / 3**0.5
    near = ((row[:, None] - row).abs() <= 2) & ((column[:, None] - column).abs() <= 2)
    weights = logits.masked_fill(~near, -torch.inf).softmax(dim=-1)
    expected = (weights @ value).mT.reshape(3, 6, 7, 5)[..., ::stride, ::stride]
    assert_close(alone(acmix, "attention")(X), expected)


def test_both_paths_are_weighed_and_added(acmix):
    rates = acmix.attention_rate.item(), acmix.convolution_rate.item()
    paths = [alone(acmix, path)(X).detach() for path in ("attention", "convolution")]
    with torch.no_grad():
        acmix.attention_rate.fill_(rates[0])
        acmix.convolution_rate.fill_(rates[1])
    assert_close(acmix(X), rates[0] * paths[0] + rates[1] * paths[1])


@pytest.mark.parametrize("stride", [2, 3, 9])
@pytest.mark.parametrize(("height", "width"), [(7, 5), (6, 5), (8, 9), (1, 4)])
def test_a_stride_answers_every_so_many_pixels(acmix, stride, height, width):
    """Also where it does not divide the size: the first pixel, and on from there."""
    x = torch.randn(2, 6, height, width).double()
    strided = ACmix(6, kernel_attention=5, heads=2, stride=stride).double()
    strided.load_state_dict(acmix.state_dict())
    assert_close(strided(x), acmix(x)[..., ::stride, ::stride])
    assert_close(strided.weights(x), acmix.weights(x)[..., ::stride, ::stride])


def test_weights_are_those_that_forward_uses_and_stay_on_the_map(acmix):
    weights = acmix.weights(X)
    assert_close(weights.sum(dim=2), torch.ones(3, 2, 7, 5).double())
    assert not weights[:, :, :10, 0].any(), "two rows above the first"
    assert not weights.unflatten(2, (5, 5))[:, :, :, 3:, :, -1].any(), "two columns beyond the last"
    value = acmix.query_key_value(X).unflatten(1, (3, 3, 2))[:, :, 2].transpose(1, 2)
    around = F.pad(value, (2, 2, 2, 2)).unfold(3, 5, 1).unfold(4, 5, 1).flatten(5)
    gathered = (weights.movedim(2, -1)[:, :, None] * around).sum(-1).flatten(1, 2)
    assert_close(alone(acmix, "attention")(X), gathered)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_positions_are_made_where_and_as_the_map_is(acmix, dtype):
    assert acmix.to(dtype)(X.to(dtype)).dtype == dtype
    y = acmix.to("meta")(X.to("meta", dtype))
    assert y.is_meta and y.dtype == dtype


def test_no_surroundings_are_copied():
    """The largest tensor holds the weights, K² h numbers for a pixel; unfolding makes K² C."""
    x = torch.empty(1, 64, 56, 56, device="meta")
    assert measure(ACmix(64), x).memory == 49 * 4 * 56 * 56


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kernel_attention=1), "kernel_attention=1 must be odd and at least 3"),
        (dict(kernel_attention=4), "kernel_attention=4 must be odd and at least 3"),
        (dict(kernel_convolution=-1), "kernel_convolution=-1 must be odd and at least 1"),
        (dict(kernel_convolution=2), "kernel_convolution=2 must be odd and at least 1"),
        (dict(heads=0), "heads=0 must be at least 1"),
        (dict(heads=3), "channels=8 must be a multiple of heads=3"),
        (dict(stride=0), "stride=0 must be at least 1"),
        (dict(channels=0), "channels=0 must be at least 1"),
        (dict(channels=-4), "channels=-4 must be at least 1"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        ACmix(**{"channels": 8, **arguments})


@pytest.mark.parametrize("kernel_convolution", [1, 3, 5])
def test_a_convolution_of_any_kernel_fits_the_map(kernel_convolution):
    acmix = ACmix(6, heads=2, kernel_convolution=kernel_convolution).double()
    assert acmix(X).shape == X.shape


def test_the_least_that_works():
    tiny = ACmix(1, kernel_attention=3, heads=1, kernel_convolution=1)
    assert tiny(torch.randn(2, 1, 1, 1)).isfinite().all()


@pytest.mark.parametrize(
    ("largest", "numbers"),
    [
        ("pieces", dict(channels=8, heads=2, kernel_attention=3, kernel_convolution=1)),
        ("convolution", dict(channels=8, heads=1, kernel_attention=3, kernel_convolution=5)),
        ("weights", dict(channels=4, heads=4, kernel_attention=7, stride=2)),
    ],
)
def test_the_largest_tensor_is_declared_whichever_it_is(largest, numbers):
    counted, declared = largest_tensor("ACmix", height=23, width=11, **numbers)
    c, h = numbers["channels"], numbers["heads"]
    places = (12 * 6 if "stride" in numbers else 23 * 11) * numbers["kernel_attention"] ** 2
    taps = numbers.get("kernel_convolution", 3) ** 2
    kinds = dict(pieces=3 * c * 23 * 11, convolution=taps * c // h * 23 * 11, weights=h * places)
    assert largest == max(kinds, key=kinds.get)
    assert counted == declared


def test_two_pixels_lie_as_far_apart_as_many(acmix):
    """From one edge of the map to the other there are two units, however many pixels."""
    places = [acmix._position(torch.zeros(3, 2, width).double()) for width in (2, 9)]
    by_column, by_row = acmix.position.weight[..., 0, 0].unbind(dim=1)
    for place in places:
        assert_close(place[0, :, 0, -1] - place[0, :, 0, 0], 2 * by_column)
        assert_close(place[0, :, -1, 0] - place[0, :, 0, 0], 2 * by_row)
