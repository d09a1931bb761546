"""What only dual attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import DualAttention
from attention_lib.measure.timing import peak_memory
from tests.support.proof import largest_tensor


def ready(channels=16, reduction=8):
    return randomize(DualAttention(channels, reduction)).double()


def test_defaults_are_the_authors():
    """α and β are 0 at the start, so that each branch begins as the map itself; C / 8 is theirs."""
    dual = DualAttention(64)
    assert dual.query.out_features == dual.key.out_features == 8
    assert dual.value.out_features == 64
    x = torch.randn(2, 64, 5, 7)
    assert_close(dual.position(x), x)
    assert_close(dual.channel(x), x)
    assert_close(dual(x), 2 * x)


@pytest.mark.parametrize("channels", [1, 7])
def test_too_few_channels_are_refused_by_name(channels):
    with pytest.raises(ValueError, match=f"=8 must be between 1 and channels={channels}"):
        DualAttention(channels)
    assert DualAttention(8).query.out_features == 1


@pytest.mark.parametrize("reduction", [0, -1, 17])
def test_a_query_without_numbers_is_refused_by_name(reduction):
    with pytest.raises(ValueError, match=f"reduction={reduction} must be between 1 and .*=16"):
        DualAttention(16, reduction)


@pytest.mark.parametrize("channels", [8, 9, 15, 17, 64])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (6, 4), (5, 11)])
def test_any_channels_height_and_width(channels, height, width):
    dual, x = ready(channels), torch.randn(2, channels, height, width, dtype=torch.float64)
    of_places = dual.position_weights(x) @ dual.value(x.flatten(2).mT)
    of_channels = dual.channel_weights(x) @ x.flatten(2)
    found = dual.position_scale * of_places.mT + dual.channel_scale * of_channels
    assert_close(dual(x), 2 * x + found.view_as(x))


def test_the_least_alike_channel_counts_most_where_that_is_asked_for():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-2.0, 0.0]]).double()[None, :, None]
    alike, unlike = (DualAttention(3, 3, least_alike=is_so).double() for is_so in (False, True))
    assert alike.channel_weights(x)[0].argmax(dim=-1).tolist() == [0, 0, 2]
    assert unlike.channel_weights(x)[0].argmax(dim=-1).tolist() == [2, 2, 0]


def test_places_gather_by_the_weights_shown():
    dual = ready()
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    weights, tokens = dual.position_weights(x), x.flatten(2).mT
    assert_close(weights.sum(dim=-1), torch.ones(2, 35, dtype=torch.float64))
    gathered = (weights @ dual.value(tokens)).mT.reshape(x.shape)
    assert_close(dual.position(x), x + dual.position_scale * gathered)


def test_channels_gather_by_the_weights_shown():
    dual = ready()
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    weights = dual.channel_weights(x)
    assert_close(weights.sum(dim=-1), torch.ones(2, 16, dtype=torch.float64))
    gathered = torch.einsum("bcd,bdhw->bchw", weights, x)
    assert_close(dual.channel(x), x + dual.channel_scale * gathered)


def test_a_channel_gathers_from_the_most_alike():
    """The authors' code gathers from the least alike."""
    x = torch.randn(1, 16, 5, 7, dtype=torch.float64)
    x[0, 3] = 1.1 * x[0, 9]
    weights = ready().channel_weights(x)
    assert weights[0, 9].argmax() == weights[0, 3].argmax() == 3


def test_the_channel_module_learns_its_scale_alone():
    dual = ready()
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    dual.channel(x).square().sum().backward()
    assert [name for name, p in dual.named_parameters() if p.grad is not None] == ["channel_scale"]


def test_products_are_not_scaled():
    """With a query of length 4, scaling would halve every logit."""
    dual = ready(16, reduction=4)
    x = torch.randn(2, 16, 3, 5, dtype=torch.float64)
    tokens = x.flatten(2).mT
    logits = dual.query(tokens) @ dual.key(tokens).mT
    assert_close(dual.position_weights(x).log(), logits.log_softmax(dim=-1))


def test_logits_and_weights_of_all_pairs_are_not_there_at_once():
    """Of the pairs of places a quarter is compared at a time, logits and weights."""
    dual, x = DualAttention(16), torch.randn(1, 16, 64, 64)
    pairs = 4 * (64 * 64) ** 2  # bytes
    with torch.no_grad():
        assert peak_memory(lambda: dual(x)) < 0.52 * pairs


@pytest.mark.parametrize("width", [61, 62, 63, 64])
def test_the_largest_quarter_is_declared_where_the_quarters_differ(width):
    counted, declared = largest_tensor("DualAttention", channels=16, height=61, width=width)
    assert counted == declared
