"""What only double attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.linear import DoubleAttention

X = torch.randn(3, 12, 5, 4, generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture
def attention():
    return randomize(DoubleAttention(12, feature_channels=5, attention_maps=3)).double()


def test_defaults_are_a_quarter_of_the_channels():
    attention = DoubleAttention(22)
    assert attention.feature.weight.shape[:2] == (5, 22)
    assert attention.gather.weight.shape[:2] == attention.distribute.weight.shape[:2] == (5, 22)
    assert attention.out.weight.shape[:2] == (22, 5)
    assert [layer.bias is None for layer in attention.children()] == [False, True, False, False]


def test_each_descriptor_is_gathered_from_all_places(attention):
    """A softmax over the places of one map of one sample, never over maps or the batch."""
    weights = attention.gathering(X)
    assert_close(weights.sum(dim=(2, 3)), torch.ones(3, 3).double())
    powers = attention.gather(X).exp()
    assert_close(weights, powers / powers.sum(dim=(2, 3), keepdim=True))


def test_each_place_shares_itself_out_among_the_descriptors(attention):
    weights = attention.distribution(X)
    assert_close(weights.sum(dim=1), torch.ones(3, 5, 4).double())
    powers = attention.distribute(X).exp()
    assert_close(weights, powers / powers.sum(dim=1, keepdim=True))


def test_in_the_other_order_it_is_attention_of_place_to_place(attention):
    """(A Bᵀ) V = A (Bᵀ V), and the rows of those HW x HW weights sum to one."""
    gathering, distribution = attention.gathering(X), attention.distribution(X)
    pairs = distribution.flatten(2).mT @ gathering.flatten(2)
    assert_close(pairs.sum(dim=-1), torch.ones(3, 20).double())
    mixed = attention.feature(X).flatten(2) @ pairs.mT
    assert_close(attention(X), attention.out(mixed.view(3, 5, 5, 4)))


def test_layers_may_be_applied_to_descriptors_or_to_places(attention):
    """Biases too, because both weights sum to one."""
    gathering, distribution = attention.gathering(X), attention.distribution(X)
    descriptors = torch.einsum("bmij,bnij->bmn", attention.feature(X), gathering)
    spread = torch.einsum("bmn,bnij->bmij", descriptors, distribution)
    assert_close(attention(X), attention.out(spread))


def test_one_attention_map_gives_every_place_the_same():
    attention = randomize(DoubleAttention(12, feature_channels=5, attention_maps=1)).double()
    y = attention(X)
    assert_close(y, y[:, :, :1, :1].expand_as(y))


def test_many_maps_are_fine():
    """More maps than places, and more features than channels."""
    attention = randomize(DoubleAttention(2, feature_channels=7, attention_maps=9)).double()
    assert attention(X[:, :2, :2, :3]).shape == (3, 2, 2, 3)


@pytest.mark.parametrize("name", ["channels", "feature_channels", "attention_maps"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    arguments = dict(channels=8, feature_channels=1, attention_maps=1)
    with pytest.raises(ValueError, match=f"{name}={number}.* must be at least 1"):
        DoubleAttention(**{**arguments, name: number})
    assert DoubleAttention(1, 1, 1)(torch.randn(2, 1, 2, 3)).shape == (2, 1, 2, 3)


def test_a_quarter_of_three_channels_is_too_few():
    message = "channels=3 must be at least 4"
    with pytest.raises(ValueError, match=message):
        DoubleAttention(3)
    assert DoubleAttention(4)(torch.randn(2, 4, 1, 1)).shape == (2, 4, 1, 1)
