"""What only multi-resolution overlapped attention promises: windows, and their margins."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.cards.shape import SignatureError
from attention_lib.checks import randomize
from attention_lib.core.windows import add_to_windows
from attention_lib.sparse import MultiResolutionOverlappedAttention
from tests.support.proof import largest_tensor


def made(**arguments):
    arguments = dict(heads=2, window_size=3, reduction=2) | arguments
    return randomize(MultiResolutionOverlappedAttention(4, **arguments)).double()


X = torch.randn(2, 4, 7, 5, dtype=torch.float64)


def test_what_a_window_gathers_is_added_to_all_its_places():
    """The windows of a map of 7 x 5 are 3 x 2, the last ones cut off by the edge."""
    added = made()(X) - X
    for rows in (slice(0, 3), slice(3, 6), slice(6, 7)):
        for columns in (slice(0, 3), slice(3, 5)):
            window = added[..., rows, columns]
            assert_close(window, window[..., :1, :1].expand_as(window))
    assert (added.amax(dim=(-2, -1)) > added.amin(dim=(-2, -1))).all()


def test_windows_that_fill_the_map_are_added_where_they_lie():
    """They are added in another way than windows that reach beyond it."""
    x, of_window = X[..., :6, :4], torch.randn(2, 4, 3, 2, dtype=torch.float64)
    everywhere = of_window.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
    assert torch.equal(add_to_windows(x, of_window, 2), x + everywhere)


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_values_of_a_window_reach_over_its_margin(overlap):
    """Hide all windows but the middle one on the left: it is read with its margin."""
    attention = made(overlap=overlap)
    attention.query.weight.data.zero_()
    attention.query.bias.data.zero_()
    attention.position_bias.data.fill_(-1e9)
    attention.position_bias.data[:, 3 - 1, 3] = 0  # of the window one row below
    x = X.clone().requires_grad_()
    [grad] = torch.autograd.grad((attention(x) - x)[..., 0, 0].sum(), x)
    expected = torch.zeros(7, 5, dtype=torch.bool)
    expected[3 - overlap : 6 + overlap, : 3 + overlap] = True
    assert torch.equal(grad.abs().sum(dim=(0, 1)) > 0, expected)


def test_a_query_is_made_of_its_window_without_a_margin():
    attention = made(overlap=1)
    attention.key_value.weight.data.zero_()
    seen = attention.key_value.weight.data.unflatten(1, (-1, 5, 5))
    seen[:, :, 1, 1] = 1  # a key looks at the first place of its window
    x = X.clone().requires_grad_()
    [grad] = torch.autograd.grad(attention.weights(x)[:, :, 2, 0].log().sum(), x)
    expected = torch.zeros(7, 5, dtype=torch.bool)
    expected[3:6, :3] = expected[::3, ::3] = True
    assert torch.equal(grad.abs().sum(dim=(0, 1)) > 0, expected)


def test_weights_are_those_that_forward_uses():
    attention = made()
    weights = attention.weights(X)
    assert_close(weights.sum(dim=-1), torch.ones(2, 2, 6).double())
    z = torch.nn.functional.pad(attention.reduce(X), (0, 1, 0, 2))
    windows = torch.nn.functional.unfold(z, 5, padding=1, stride=3)
    value = attention.key_value(windows.mT).chunk(2, dim=-1)[1].mT.unflatten(1, (2, 2))
    gathered = (weights @ value.mT).mT.reshape(2, 4, 3, 2)
    assert_close(attention(X)[..., ::3, ::3], X[..., ::3, ::3] + attention.out(gathered))


def test_a_bias_belongs_to_the_steps_from_window_to_window():
    attention = made(heads=1)
    for layer in (attention.query.weight, attention.query.bias):
        layer.data.zero_()
    logits = attention.weights(X)[0, 0].log()
    for rows, columns, a, b in [(1, 0, 2, 0), (-2, 0, 1, 5), (0, 1, 3, 2), (-1, -1, 0, 3)]:
        bias = attention.position_bias[0, rows + 3, columns + 3] - attention.position_bias[0, 3, 3]
        assert_close(logits[a, b] - logits[a, a], bias)


def test_no_axis_is_scrambled():
    """Mirrored weights answer a mirrored map: rows stay rows, channels stay channels."""
    attention, mirrored = made(), made()
    for name, side in (("query.weight", 3), ("key_value.weight", 5), ("position_bias", 7)):
        squares = mirrored.get_parameter(name).data.view(-1, side, side)
        squares.copy_(squares.mT.clone())
    assert_close(mirrored(X.mT), attention(X).mT)


def test_a_map_with_more_windows_than_the_table_is_refused():
    attention = made(max_windows=2)
    assert attention(X[..., :6, :]).shape == (2, 4, 6, 5)
    for x in (X, X.mT):
        with pytest.raises(
            SignatureError, match=r"at most max_windows=2 times window_size=3 .* \(2, 4"
        ):
            attention(x)


def test_defaults_are_those_of_the_authors_first_stage():
    attention = MultiResolutionOverlappedAttention(128)
    assert (attention.heads, attention.max_windows, attention.hidden) == (4, 4, 4)
    assert attention.query.in_features == 4 * 14**2
    assert attention.key_value.in_features == 4 * 16**2 and attention.key_value.bias is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=5), "channels=12 must be a multiple of heads=5"),
        (dict(heads=0), "heads=0 must be at least 1"),
        (dict(heads=-1), "heads=-1 must be at least 1"),
        (dict(window_size=0), "window_size=0 must be at least 1"),
        (dict(max_windows=0), "max_windows=0 must be at least 1"),
        (dict(overlap=-1), "overlap=-1 must be at least 0"),
        (dict(reduction=13), "reduction=13 must be between 1 and channels=12"),
        (dict(reduction=0), "reduction=0 must be between 1 and channels=12"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiResolutionOverlappedAttention(12, **dict(reduction=1) | arguments)


def test_windows_of_one_place_and_a_reduction_to_one_channel_are_fine():
    attention = made(window_size=1, max_windows=7, reduction=4, overlap=0)
    assert attention.hidden == 1 and attention(X).isfinite().all()


def test_the_least_of_each_number_is_enough():
    least = dict(heads=1, window_size=3, reduction=1, max_windows=1)
    attention = randomize(MultiResolutionOverlappedAttention(1, **least))
    assert attention.hidden == 1
    assert attention(torch.randn(2, 1, 3, 3)).shape == (2, 1, 3, 3)  # as large as it may be
    for size in ((4, 3), (3, 4)):
        with pytest.raises(SignatureError, match="at most max_windows=1 times window_size=3"):
            attention(torch.randn(2, 1, *size))
    with pytest.raises(ValueError, match="channels=0 must be at least 1"):
        MultiResolutionOverlappedAttention(0, **least)


def test_a_reduction_nobody_names_is_that_of_the_authors():
    assert MultiResolutionOverlappedAttention(992).hidden == 992 // 32


@pytest.mark.parametrize(
    ("channels", "side", "reduction", "largest"),
    [
        (4, (23, 22), 4, 4 * 64**2),  # the pairs of windows
        (64, (11, 13), 64, 64 * 9 * 20),  # the map
        (64, (23, 11), 64, 64 * 9 * 32),
        (64, (11, 13), 2, 2 * 64 * 32 * 25),  # the weights of keys and values, transposed
        (4, (11, 13), 1, 4 * 25 * 20),  # the windows with their margins
    ],
)
def test_the_largest_tensor_is_declared_whichever_it_is(channels, side, reduction, largest):
    height, width = side
    numbers = dict(channels=channels, heads=4, window_size=3, reduction=reduction, max_windows=8)
    numbers |= dict(height=height, width=width)
    counted, declared = largest_tensor("MultiResolutionOverlappedAttention", **numbers)
    assert counted == declared == largest
