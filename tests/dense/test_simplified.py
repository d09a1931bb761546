"""What only simplified self-attention promises: nothing learned in the comparison, and masks."""

import re

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close

from attention_lib.cards import properties
from attention_lib.catalog import find
from attention_lib.checks import randomize
from attention_lib.cli.show import show
from attention_lib.dense import MultiHeadAttention, SimplifiedSelfAttention
from attention_lib.measure.cost import measure
from attention_lib.teaching import display
from tools.pages.mechanism import mechanism_page

X = torch.randn(2, 5, 18).double()
PADDING = torch.tensor([[1] * 5, [1, 0, 1, 1, 0]]).bool()


def make(**arguments):
    # head_dim is 6: of 4, the root and the half are the same
    return randomize(SimplifiedSelfAttention(18, heads=3, **arguments)).double()


@pytest.fixture(params=[False, True], ids=["", "causal"])
def attention(request):
    return make(causal=request.param)


def test_defaults_are_the_repositorys():
    attention = SimplifiedSelfAttention(512)
    assert attention.heads == 8 and not attention.causal


def test_only_what_joins_the_heads_is_learned():
    assert [name for name, _ in make().named_parameters()] == ["out.weight", "out.bias"]


def test_it_says_that_it_has_no_paper_and_no_learned_comparison():
    text = " ".join(SimplifiedSelfAttention.__doc__.split())
    assert "This mechanism has no paper" in text and "no learned comparison" in text


def test_card_page_and_terminal_name_its_repository(capsys):
    show("ssa")
    told = [display.card("ssa"), mechanism_page(find("ssa")), capsys.readouterr().out]
    for text in told:
        assert re.search(r"(from|of) the repository", text)
        assert not re.search(r"(?i)^(- )?paper|the paper is|(from|of) the paper", text, re.M)


def test_a_single_feature_is_enough():
    tiny = randomize(SimplifiedSelfAttention(1, heads=1)).double()
    x = X[..., :1]
    assert_close(tiny(x), tiny.out((x * x.mT).softmax(dim=-1) @ x))


def test_likeness_goes_both_ways():
    """The logits of a pair are the same seen from either side: w_ij w_jk w_ki = w_ji w_kj w_ik."""
    weights = make().weights(X)
    there = weights[..., 0, 1] * weights[..., 1, 2] * weights[..., 2, 0]
    back = weights[..., 1, 0] * weights[..., 2, 1] * weights[..., 0, 2]
    assert_close(there, back)


@pytest.mark.parametrize("key_mask", [None, PADDING], ids=["", "key_mask"])
def test_it_is_multi_head_attention_without_projections(attention, key_mask):
    full = MultiHeadAttention(18, heads=3, bias=True, causal=attention.causal).double()
    with torch.no_grad():
        full.query.weight.copy_(torch.eye(18))
        full.key_value.weight.copy_(torch.eye(18).repeat(2, 1))
        full.query.bias.zero_()
        full.key_value.bias.zero_()
    full.out = attention.out
    assert_close(attention(X, key_mask), full(X, key_mask=key_mask))
    assert_close(attention.weights(X, key_mask), full.weights(X, key_mask=key_mask))


@pytest.mark.parametrize("key_mask", [None, PADDING], ids=["", "key_mask"])
def test_weights_are_those_that_forward_uses(attention, key_mask):
    weights = attention.weights(X, key_mask)
    assert_close(weights.sum(-1), torch.ones(2, 3, 5).double())
    gathered = weights @ X.unflatten(-1, (3, 6)).transpose(1, 2)
    expected = attention.out(gathered.transpose(1, 2).flatten(2))
    assert_close(attention(X, key_mask), expected)
    with sdpa_kernel(SDPBackend.MATH):  # refuses a mask beside its own causality
        assert_close(attention(X, key_mask), expected)


def test_the_future_leaves_the_past_bit_identical():
    assert properties.causal(make(causal=True), X) == 0
    assert properties.causal(make(), X) > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_sample_without_a_single_real_token_gathers_zeros(attention, dtype):
    attention.to(dtype)
    x, key_mask = X.to(dtype, copy=True).requires_grad_(), torch.tensor([[1] * 5, [0] * 5]).bool()
    y = attention(x, key_mask)
    assert_close(y[1], attention.out.bias.expand(5, -1))
    assert attention.weights(x, key_mask)[1].abs().max() == 0
    y.square().mean().backward()
    grads = [x.grad, *(p.grad for p in attention.parameters())]
    assert all(grad.isfinite().all() for grad in grads)


def test_padding_of_another_length_is_named():
    with pytest.raises(ValueError, match=r"key_mask must be \(batch=2, tokens=5\), got \(2, 4\)"):
        make()(X, PADDING[:, 1:])


@pytest.mark.parametrize("padded", [False, True], ids=["", "padding"])
def test_no_pair_of_tokens_is_stored(padded):
    """The largest tensor grows with the tokens, not with their pairs."""

    def largest(attention, tokens):
        x, real = torch.empty(1, tokens, 18), torch.empty(1, tokens, dtype=torch.bool)
        return measure(attention, *[x, real][: 1 + padded]).memory

    for attention in (make(), make(causal=True))[: 2 - padded]:
        attention.float()
        assert largest(attention, 100_000) == 100 * largest(attention, 1_000)
