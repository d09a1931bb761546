"""What only external attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.linear import ExternalAttention
from tests.references.linear import external

X = torch.randn(3, 7, 12, generator=torch.Generator().manual_seed(0)).double()
PADDING = torch.ones(3, 7, dtype=torch.bool)
PADDING[0, 5:] = PADDING[1, 2] = PADDING[1, 0] = False


def made(**arguments):
    return randomize(ExternalAttention(12, **{"slots": 5, **arguments})).double()


def divided_twice(logits):
    """The double normalisation as the paper and its code have it: (batch, tokens, slots)."""
    shares = logits.softmax(dim=1)
    return shares / shares.sum(dim=2, keepdim=True)


def test_defaults_are_those_of_the_authors_segmentation_model():
    attention = ExternalAttention(512)
    assert attention.key_memory.weight.shape == (64, 512) and attention.heads == 1
    assert [*dict(attention.named_parameters())] == ["key_memory.weight", "value_memory.weight"]


def test_the_authors_classifier_has_32_narrow_heads():
    """Their 8 heads and 256 slots, with 4 times the heads and a quarter of the slots."""
    attention = ExternalAttention(384, slots=256 // 4, heads=4 * 8, expansion=4)
    assert attention.key_memory.weight.shape == (64, 384 // 8)
    assert attention.query.weight.shape == (4 * 384, 384)
    assert attention.query.bias is None and attention.out.bias is not None


def test_a_token_far_ahead_leaves_something_of_the_others():
    """Where one is ahead by 440 among logarithms, dividing twice is 0 / 0 in float32."""
    attention = made()
    with torch.no_grad():
        attention.key_memory.weight[:, 1:] = 1
    x = X.clone()
    x[:, 3, 1:] += 40
    assert_close(attention.weights(x)[:, :, 0], divided_twice(attention.key_memory(x)))
    attention, x = attention.float(), x.float().requires_grad_()
    assert divided_twice(attention.key_memory(x)).isnan().sum() == 3 * 6 * 5
    y = attention(x)
    y.square().sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


@pytest.mark.parametrize("heads", [1, 3])
def test_weights_are_shares_of_shares(heads):
    attention = made(heads=heads)
    weights = attention.weights(X)
    for h, part in enumerate(attention.query(X).chunk(heads, dim=-1)):
        assert_close(weights[:, :, h], divided_twice(attention.key_memory(part)))
    assert_close(weights.sum(dim=-1), torch.ones(3, 7, heads).double())


@pytest.mark.parametrize("key_mask", [None, PADDING], ids=["", "key_mask"])
def test_weights_are_those_that_forward_uses(key_mask):
    attention = made()
    read = attention.value_memory(attention.weights(X, key_mask))
    assert_close(attention(X, key_mask), read[:, :, 0])


@pytest.mark.parametrize("arguments", [{}, dict(heads=3), dict(heads=8, expansion=2)])
def test_padded_tokens_leave_the_sums_and_are_read_all_the_same(arguments):
    attention = made(**arguments)
    assert_close(attention(X, PADDING), external(attention, X, PADDING))


def test_padding_that_hides_nothing_changes_nothing():
    attention = made(heads=3)
    everything = torch.ones(3, 7, dtype=torch.bool)
    assert_close(attention(X, everything), attention(X))
    nothing = everything.clone()
    nothing[1] = False  # and so it is where all are hidden
    assert_close(attention(X, nothing), attention(X))


def test_tokens_meet_in_one_sum_a_slot_alone():
    """A token may leave if another takes its place in every sum: the rest see no difference."""
    attention = made(slots=2)
    with torch.no_grad():  # the two slots read the first two features
        attention.key_memory.weight.zero_()[:, :2] = torch.eye(2)
    x = X.clone()
    sums = x[:, 5:, :2].exp().sum(dim=1, keepdim=True)
    x[:, 5:, :2] = (sums * torch.tensor([0.25, 0.75]).double()[:, None]).log()
    assert_close(attention(x)[:, :5], attention(X)[:, :5])
    assert not torch.allclose(attention(x)[:, 5:], attention(X)[:, 5:])


def test_heads_share_one_memory():
    """Heads with the same query read the same."""
    attention = made(heads=3)
    with torch.no_grad():
        attention.query.weight.copy_(attention.query.weight[:4].repeat(3, 1))
    weights = attention.weights(X)
    assert_close(weights, weights[:, :, :1].expand(-1, -1, 3, -1))


@pytest.mark.parametrize("name", ["dim", "slots", "heads", "expansion"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        ExternalAttention(**{"dim": 12, name: number})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=5), "dim \\* expansion=12 must be a multiple of heads=5"),
        (dict(heads=5, expansion=2), "dim \\* expansion=24 must be a multiple of heads=5"),
        (dict(expansion=2), "expansion=2 needs a query, which heads=1 has not"),
    ],
)
def test_widths_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExternalAttention(12, **arguments)


@pytest.mark.parametrize("arguments", [{}, dict(heads=2), dict(heads=2, expansion=2)])
def test_one_of_everything_is_enough(arguments):
    """Two heads of one feature each need two features."""
    dim = 2 // arguments.get("expansion", 1)
    attention = ExternalAttention(dim, slots=1, **arguments)
    layers = [name for name, part in attention.named_children() if [*part.parameters()]]
    assert ("out" in layers) == ("query" in layers) == ("heads" in arguments)
    assert attention(torch.randn(2, 3, dim)).shape == (2, 3, dim)
