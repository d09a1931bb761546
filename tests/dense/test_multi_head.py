"""What only multi-head attention promises: masks, causality, a context."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close

from attention_lib.cards import properties
from attention_lib.checks import randomize
from attention_lib.dense import MultiHeadAttention


# head_dim is 6: of 4, the root and the half are the same
@pytest.fixture
def attention():
    return randomize(MultiHeadAttention(18, heads=3, bias=True)).double()


@pytest.fixture
def causal():
    return randomize(MultiHeadAttention(18, heads=3, causal=True)).double()


X, CONTEXT = torch.randn(2, 5, 18).double(), torch.randn(2, 7, 18).double()
MASK = torch.tensor([[1, 1, 0, 1, 0, 1, 1]] * 5).bool().logical_xor(torch.eye(5, 7).bool())
PADDING = torch.tensor([[1] * 7, [1] * 4 + [0] * 3]).bool()


def theirs(ours):
    """nn.MultiheadAttention with the same weights."""
    layer = nn.MultiheadAttention(18, 3, batch_first=True).double()
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        layer.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        layer.out_proj.weight.copy_(ours.out.weight)
        layer.out_proj.bias.copy_(ours.out.bias)
    return layer


def test_defaults_are_the_papers():
    attention = MultiHeadAttention(512)
    assert attention.heads == 8 and not attention.causal
    layers = attention.query, attention.key_value, attention.out
    assert all(layer.bias is None for layer in layers)


@pytest.mark.parametrize("attn_mask", [None, MASK], ids=["", "attn_mask"])
@pytest.mark.parametrize("key_mask", [None, PADDING], ids=["", "key_mask"])
def test_a_context_and_masks_agree_with_torch(attention, attn_mask, key_mask):
    expected, weights = theirs(attention)(
        X,
        CONTEXT,
        CONTEXT,
        attn_mask=None if attn_mask is None else ~attn_mask,
        key_padding_mask=None if key_mask is None else ~key_mask,
        average_attn_weights=False,
    )
    assert_close(attention(X, CONTEXT, attn_mask, key_mask), expected)
    assert_close(attention.weights(X, CONTEXT, attn_mask, key_mask), weights)


def test_a_context_that_is_the_tokens_themselves_changes_nothing(attention):
    plain = randomize(MultiHeadAttention(18, heads=3, bias=False)).double()
    for each in (attention, plain):
        assert_close(each(X, context=X), each(X))
        assert_close(each.weights(X, context=X), each.weights(X))


@pytest.mark.parametrize("attn_mask", [None, MASK[:, :5]], ids=["", "attn_mask"])
@pytest.mark.parametrize("key_mask", [None, PADDING[:, 2:]], ids=["", "key_mask"])
def test_causality_and_masks_together(causal, attn_mask, key_mask):
    free = MultiHeadAttention(18, heads=3).double()
    free.load_state_dict(causal.state_dict())
    lower = torch.ones(5, 5).tril().bool()
    allowed = lower if attn_mask is None else attn_mask & lower
    expected = free(X, attn_mask=allowed, key_mask=key_mask)
    assert_close(causal(X, attn_mask=attn_mask, key_mask=key_mask), expected)
    expected = free.weights(X, attn_mask=allowed, key_mask=key_mask)
    assert_close(causal.weights(X, attn_mask=attn_mask, key_mask=key_mask), expected)


def test_causality_and_a_mask_need_no_fused_kernel(causal):
    """The plain kernel of torch refuses a mask beside its own causality."""
    with sdpa_kernel(SDPBackend.MATH):
        plain = causal(X, attn_mask=MASK[:, :5])
    assert_close(causal(X, attn_mask=MASK[:, :5]), plain)


def test_causality_is_made_where_the_tokens_are(causal):
    y = causal.to("meta")(X.to("meta"), attn_mask=MASK[:, :5].to("meta"))
    assert y.is_meta and causal.weights(X.to("meta")).is_meta


def test_the_future_leaves_the_past_bit_identical(causal, attention):
    assert properties.causal(causal, X) == 0
    assert properties.causal(attention, X) > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_token_that_sees_nothing_gathers_zeros(attention, dtype):
    attention.to(dtype)
    x, nothing = X.to(dtype).requires_grad_(), torch.eye(5).bool().logical_not()
    nothing[3] = False
    y = attention(x, attn_mask=nothing)
    assert_close(y[:, 3], attention.out.bias.expand(2, -1))
    assert attention.weights(x, attn_mask=nothing)[:, :, 3].abs().max() == 0
    y.square().mean().backward()
    grads = [x.grad, *(p.grad for p in attention.parameters())]
    assert all(grad.isfinite().all() for grad in grads)


def test_a_batch_without_a_single_real_token_gives_zeros(attention):
    key_mask = torch.tensor([[1] * 5, [0] * 5]).bool()
    y = attention(X, key_mask=key_mask)
    assert_close(y[1], attention.out.bias.expand(5, -1))


def test_weights_are_those_that_forward_uses(attention):
    weights = attention.weights(X)
    value = attention.key_value(X)[..., 18:].unflatten(-1, (3, 6)).transpose(1, 2)
    gathered = (weights @ value).transpose(1, 2).flatten(2)
    assert_close(attention.out(gathered), attention(X))
    assert_close(weights.sum(-1), torch.ones(2, 3, 5).double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(context=torch.randn(3, 7, 18).double()), r"context must be \(batch=2, source, dim="),
        (dict(attn_mask=MASK), r"attn_mask must end in source=5, got \(5, 7\)"),
        (dict(key_mask=PADDING), r"key_mask must end in source=5, got \(2, 7\)"),
        (dict(attn_mask=MASK.double()), "attn_mask must be boolean, got torch.float64"),
    ],
)
def test_what_does_not_fit_is_named(attention, arguments, message):
    with pytest.raises(ValueError, match=message):
        attention(X, **arguments)


def test_causality_takes_no_context(causal):
    with pytest.raises(ValueError, match="causal=True takes no context"):
        causal(X, CONTEXT)


def test_no_pair_of_tokens_is_stored():
    """The largest tensor grows with the tokens, not with their pairs."""
    from attention_lib.measure.cost import measure

    attention = MultiHeadAttention(64)
    few, many = (torch.empty(1, tokens, 64, device="meta") for tokens in (1_000, 1_000_000))
    assert measure(attention, many).memory == 1000 * measure(attention, few).memory


def test_a_single_feature_is_enough():
    tiny = randomize(MultiHeadAttention(1, heads=1)).double()
    x = X[..., :1]
    value = x * tiny.key_value.weight[1]
    assert_close(tiny(x), tiny.weights(x)[:, 0] @ value * tiny.out.weight)
