"""What only efficient multi-head attention promises: a smaller map of keys, and heads that meet."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.dense import EfficientMultiHeadAttention
from tests.references.dense import efficient_multi_head

X, CONTEXT = torch.randn(2, 35, 18).double(), torch.randn(2, 24, 18).double()  # 7 x 5 and 4 x 6
RATIOS = pytest.mark.parametrize("ratio", [1, 2, 3, 4])


def make(dim=18, heads=3, **arguments):
    # head_dim is 6: of 4, the root and the half are the same
    return randomize(EfficientMultiHeadAttention(dim, heads, **arguments)).double()


def test_defaults_are_the_papers_third_stage():
    attention = EfficientMultiHeadAttention(256)
    assert attention.heads == 4 and attention.sr_ratio == 2 and attention.query.bias is not None
    assert attention.reduce.kernel_size == (3, 3) and attention.reduce.stride == (2, 2)


def test_layers_stand_only_where_they_are_used():
    names = {name for name, _ in make(sr_ratio=1).named_parameters()}
    assert names == {
        "query.weight",
        "query.bias",
        "key_value.weight",
        "mix_heads",
        "out.weight",
        "out.bias",
    }
    more = {name for name, _ in make(sr_ratio=2).named_parameters()} - names
    assert more == {"reduce.weight", "reduce.bias", "norm_weight"}


@pytest.mark.parametrize("name", ["dim", "heads", "sr_ratio"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number}.* must be at least 1"):
        EfficientMultiHeadAttention(**{"dim": 8, name: number})


def test_dim_is_a_multiple_of_heads():
    with pytest.raises(ValueError, match="dim=10 must be a multiple of heads=4"):
        EfficientMultiHeadAttention(10)


def test_a_map_may_be_of_another_size_at_each_call():
    attention = make()
    for height, width in ((7, 5), (5, 7), (35, 1)):
        expected = efficient_multi_head(attention, X, height, width)
        assert_close(attention(X, height, width), expected)
    assert not torch.allclose(attention(X, 7, 5), attention(X, 5, 7))


@RATIOS
def test_a_context_is_heard_at_every_ratio(ratio):
    """Height and width are those of the context; the tokens that listen may be any number."""
    attention = make(sr_ratio=ratio)
    x = X[:, :11]
    expected = efficient_multi_head(attention, x, 4, 6, CONTEXT)
    assert_close(attention(x, 4, 6, CONTEXT), expected)
    assert not torch.allclose(attention(x, 4, 6, CONTEXT), attention(x, 4, 6, -CONTEXT))


@RATIOS
def test_a_context_that_is_the_tokens_themselves_changes_nothing(ratio):
    attention = make(sr_ratio=ratio)
    assert_close(attention(X, 7, 5, X), attention(X, 7, 5))
    assert_close(attention.weights(X, 7, 5, X), attention.weights(X, 7, 5))


@RATIOS
def test_there_is_a_key_for_each_square_begun(ratio):
    rows, columns = -(-7 // ratio), -(-5 // ratio)
    assert make(sr_ratio=ratio).weights(X, 7, 5).shape == (2, 3, 35, rows * columns)


@pytest.mark.parametrize(("ratio", "unread"), [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (8, 3)])
def test_of_a_map_that_the_ratio_divides_the_last_rows_may_be_unread(ratio, unread):
    attention, size = make(sr_ratio=ratio), 2 * ratio
    context = torch.randn(1, size**2, 18).double().requires_grad_()
    attention(X[:1], size, size, context).square().sum().backward()
    read = context.grad.abs().amax(dim=-1).view(size, size) > 0
    edge = size - unread
    assert read[:edge, :edge].all() and not read[edge:].any() and not read[:, edge:].any()


@RATIOS
def test_weights_are_those_that_forward_uses(ratio):
    attention = make(sr_ratio=ratio)
    weights, seen = attention.weights(X, 4, 6, CONTEXT), CONTEXT
    if ratio > 1:
        maps = CONTEXT.mT.unflatten(-1, (4, 6))
        odd = ratio % 2
        maps = attention.reduce(F.pad(maps, (0, odd, 0, odd)))
        seen = F.layer_norm(maps.flatten(-2).mT, (18,), attention.norm_weight)
    value = attention.key_value(seen)[..., 18:].unflatten(-1, (3, 6)).transpose(1, 2)
    gathered = (weights @ value).transpose(1, 2).flatten(2)
    assert_close(attention(X, 4, 6, CONTEXT), attention.out(gathered))


def test_normed_weights_sum_to_zero_and_vary_alike():
    weights = make().weights(X, 7, 5)
    assert_close(weights.sum(dim=-1), torch.zeros(2, 3, 35).double())
    variance = weights.var(dim=(-2, -1), correction=0)
    assert ((variance > 0.9) & (variance < 1)).all()  # the norm's eps takes the rest


def test_heads_meet_before_the_softmax():
    """Keys of the second head alone: all heads compare by them, if w says so."""
    attention = make(sr_ratio=1)
    with torch.no_grad():
        attention.key_value.weight[:6] = attention.key_value.weight[12:18] = 0
        attention.mix_heads[:, 1] = 2.0
    weights = attention.weights(X, 7, 5)
    assert_close(weights[:, 0], weights[:, 1])
    assert_close(weights[:, 2], weights[:, 1])
    with torch.no_grad():
        attention.mix_heads[2, 1] = 0.0
    assert attention.weights(X, 7, 5)[:, 2].abs().max() < 1e-9  # uniform, so normed to nothing


def test_a_single_key_says_nothing():
    """Its weight is the mean weight: what is left is the last bias."""
    attention, x = make(sr_ratio=7).train(), X.clone().requires_grad_()
    y = attention(x, 7, 5)
    assert_close(y, attention.out.bias.expand(2, 35, -1))
    assert_close(attention(x[:, :1], 1, 1), y[:, :1])
    y.sum().backward()
    assert x.grad.abs().max() == 0


def test_a_single_feature_is_enough():
    tiny = make(1, heads=1, sr_ratio=1)
    expected = efficient_multi_head(tiny, X[..., :1], 7, 5)
    assert_close(tiny(X[..., :1], 7, 5), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("ratio", [1, 2])
def test_products_that_half_precision_cannot_hold(dtype, ratio):
    attention = make(sr_ratio=ratio).to(dtype)
    x = (300 * X).to(dtype).requires_grad_()
    y, weights = attention(x, 7, 5), attention.weights(x, 7, 5)
    assert y.dtype == weights.dtype == dtype
    assert all(part.dtype == torch.float32 for part in attention._compare(x, 7, 5, None))
    y.mean().backward()
    grads = [x.grad, *(p.grad for p in attention.parameters())]
    assert all(t.isfinite().all() for t in (y, weights, *grads))


@pytest.mark.parametrize(
    ("height", "width", "context", "message"),
    [
        (7, 6, None, "35 tokens are no map of height=7 and width=6"),
        (-7, -5, None, "35 tokens are no map of height=-7 and width=-5"),
        (7, 5, CONTEXT, "24 tokens are no map of height=7 and width=5"),
        (4, 6, CONTEXT[:1], r"context must be \(batch=2, source, dim=18\), got \(1, 24, 18\)"),
    ],
)
@RATIOS
def test_what_does_not_fit_is_named(ratio, height, width, context, message):
    for ask in (make(sr_ratio=ratio), make(sr_ratio=ratio).weights):
        with pytest.raises(ValueError, match=message):
            ask(X, height, width, context)
