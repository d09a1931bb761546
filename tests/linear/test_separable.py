"""What only separable attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import FLOATS, randomize
from attention_lib.linear import SeparableAttention
from tests.references.linear import separable

X = torch.randn(3, 7, 12, generator=torch.Generator().manual_seed(0)).double()
PADDING = torch.ones(3, 7, dtype=torch.bool)
PADDING[0, 5:] = PADDING[1, 2] = PADDING[1, 0] = False


@pytest.fixture
def attention():
    return randomize(SeparableAttention(12)).double()


def parts(attention, x):
    """Score, key and value of each token."""
    return attention.score(x), attention.key(x), attention.value(x)


def test_the_score_has_no_bias_and_the_other_layers_have():
    shapes = {name: tuple(p.shape) for name, p in SeparableAttention(64).named_parameters()}
    assert shapes == {
        "score.weight": (1, 64),
        **{f"{name}.weight": (64, 64) for name in ("key", "value", "out")},
        **{f"{name}.bias": (64,) for name in ("key", "value", "out")},
    }


def test_a_value_below_zero_passes_nothing(attention):
    """The ReLU lies on the value, before the context: not on the product, nor on the context."""
    with torch.no_grad():
        attention.value.weight.zero_()
        attention.value.bias.copy_(-torch.arange(1.0, 13))
    assert_close(attention(X), attention.out.bias.expand_as(X))
    with torch.no_grad():
        attention.value.bias.neg_()
    score, key, _ = parts(attention, X)
    context = (score.softmax(dim=1) * key).sum(dim=1, keepdim=True)
    assert (context < 0).any()
    expected = attention.out(torch.arange(1.0, 13).double() * context)
    assert_close(attention(X), expected.expand_as(X))


def test_keys_are_averaged_before_or_after_their_projection(attention):
    score, key, value = parts(attention, X)
    context = (score.softmax(dim=1) * key).sum(dim=1, keepdim=True)
    assert_close(attention(X), attention.out(value.relu() * context))


def test_it_is_attention_in_which_all_have_the_same_query(attention):
    """With N x N weights, each row of them the scores, it is the same."""
    score, key, value = parts(attention, X)
    weights = score.mT.expand(-1, 7, -1).softmax(dim=-1)
    assert_close(weights[:, 0], attention.weights(X))
    assert_close(attention(X), attention.out(value.relu() * (weights @ key)))


def test_padded_tokens_leave_both_sums(attention):
    assert_close(attention(X, PADDING), separable(attention, X, PADDING))
    weights = attention.weights(X, PADDING)
    assert (weights[~PADDING] == 0).all() and (weights[PADDING] > 0).all()
    assert_close(weights.sum(dim=1), torch.ones(3).double())


def test_padding_that_hides_nothing_changes_nothing(attention):
    everything = torch.ones(3, 7, dtype=torch.bool)
    assert_close(attention(X, everything), attention(X))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sample_without_a_real_token_has_no_context(attention, dtype):
    attention.to(dtype)
    x, key_mask = X.clone().to(dtype).requires_grad_(), PADDING.clone()
    key_mask[2] = False
    y = attention(x, key_mask)
    assert_close(y[2], attention.out.bias.expand(7, -1))
    assert attention.weights(x, key_mask)[2].abs().max() == 0
    y.square().mean().backward()
    grads = [x.grad, *(p.grad for p in attention.parameters())]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_inputs_stay_finite_where_their_square_does(attention, dtype):
    """The answer is quadratic in x; 65 504 is the largest number of float16."""
    x = (X * (30 if dtype == torch.float16 else 1e3)).to(dtype).requires_grad_()
    y = attention.to(dtype)(x)
    y.mean().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in attention.parameters())


@pytest.mark.parametrize("dim", [0, -1])
def test_a_width_below_one_is_refused(dim):
    with pytest.raises(ValueError, match=f"dim={dim} must be at least 1"):
        SeparableAttention(dim)
    assert SeparableAttention(1)(torch.randn(2, 3, 1)).shape == (2, 3, 1)
