"""What only the attention free transformer promises: exponents that never overflow, positions."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_lib.cards import properties
from attention_lib.checks import FLOATS, randomize
from attention_lib.linear import AttentionFree
from attention_lib.measure.timing import peak_memory
from tests.oracles.linear import aft_full

X = torch.randn(2, 13, 6, generator=torch.Generator().manual_seed(0)).double()
MODES = [dict(max_tokens=None), dict(max_tokens=13), dict(max_tokens=13, window=4)]


def attention(**arguments):
    return randomize(AttentionFree(6, rank=3, **arguments)).double()


def in_logarithms(m, x):
    """The definition with a softmax over all of k_j + w_ij, which takes N × N × d numbers."""
    query, key, value = m.query(x), m.key(x), m.value(x)
    place = torch.arange(x.shape[1])
    gap = (place[:, None] - place).abs()
    bias = torch.zeros(gap.shape, dtype=x.dtype)
    if m.max_tokens is not None:
        bias = (m.query_position @ m.key_position.mT)[: len(gap), : len(gap)]
        bias = bias * (gap < (m.window or math.inf))
    if m.causal:
        bias = bias.masked_fill(place > place[:, None], -math.inf)
    logits = key[:, None] + bias[..., None]
    return query.sigmoid() * (logits.softmax(dim=2) * value[:, None]).sum(dim=2)


def test_defaults_are_the_papers():
    m = AttentionFree(8, max_tokens=5)
    assert m.query_position.shape == m.key_position.shape == (5, 128)
    assert m.query.bias is None and m.window is None and not m.causal
    assert not torch.equal(m.query_position, m.key_position)
    m = AttentionFree(8, max_tokens=500)
    assert [round(p.std().item(), 2) for p in (m.query_position, m.key_position)] == [0.1, 0.1]


def test_simple_has_no_positions():
    m = AttentionFree(8)
    assert m.query_position is None and m.key_position is None and m.rank == 0
    assert {name for name, _ in m.named_children()} == {"query", "key", "value"}
    assert len(list(m.parameters())) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dim=0), "^dim=0 must be at least 1$"),
        (dict(dim=8, max_tokens=0), "^max_tokens=0 must be at least 1$"),
        (dict(dim=8, max_tokens=9, window=0), "^window=0 must be at least 1$"),
        (dict(dim=8, max_tokens=9, rank=0), "^rank=0 must be at least 1$"),
        (dict(dim=8, window=3), "^window=3 is for position biases: max_tokens is missing$"),
    ],
)
def test_senseless_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionFree(**arguments)


def test_one_of_everything_is_enough():
    m, x = randomize(AttentionFree(1, 1, 1, 1)), torch.randn(3, 1, 1)
    assert_close(m(x), m.query(x).sigmoid() * m.value(x))


def test_more_tokens_than_positions_are_refused():
    m = attention(max_tokens=12)
    with pytest.raises(ValueError, match="AttentionFree: tokens=13 is more than max_tokens=12"):
        m(X)
    assert m(X[:, :12]).shape == (2, 12, 6)


@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("mode", MODES, ids=["simple", "full", "local"])
@pytest.mark.parametrize("scale", [1, 1000])
@pytest.mark.parametrize("tokens", [1, 2, 3, 8, 9, 13])
def test_keys_of_any_size_are_weighed_rightly(tokens, scale, mode, causal):
    """Of 1 to 13 tokens: the blocks that causal sums are made of are full or not."""
    m, x = attention(**mode, causal=causal), scale * X[:, :tokens]
    assert_close(m(x), in_logarithms(m, x))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("mode", MODES, ids=["simple", "full", "local"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
def test_a_late_large_key_leaves_the_early_tokens_alone(causal, mode, dtype):
    """exp(k) of the last token is larger than any dtype holds beside the others."""
    m = attention(**mode, causal=causal).to(dtype)
    x = X.to(dtype).clone()
    x[:, -1] = 1000 * m.key.weight.detach().sum(0).sign()
    x.requires_grad_()
    y = m(x)
    y.mean().backward()
    assert all(t.isfinite().all() for t in (y, x.grad, *(p.grad for p in m.parameters())))
    if causal:
        assert torch.equal(y[:, :-1], m(X.to(dtype))[:, :-1])


@pytest.mark.parametrize("mode", MODES, ids=["simple", "full", "local"])
def test_the_future_leaves_the_past_bit_identical(mode):
    x = torch.randn(2, 77, 6).double()
    mode = {**mode, "max_tokens": mode["max_tokens"] and 77}
    assert properties.causal(attention(**mode, causal=True), x) == 0
    assert properties.causal(attention(**mode), x) > 0


@pytest.mark.parametrize("rising", [False, True], ids=["falling", "rising"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
def test_biases_of_one_token_may_lie_80_apart(causal, rising):
    """And those of two by hundreds; in float32 exp(-87) is the smallest power, exp(88) the last."""
    m = AttentionFree(6, max_tokens=13, rank=2, causal=causal)
    slope, level = torch.linspace(0, 80, 13), torch.linspace(-300, 300, 13)
    with torch.no_grad():
        m.query_position.copy_(torch.stack([torch.ones(13), level], dim=1))
        m.key_position.copy_(torch.stack([slope if rising else slope.flip(0), torch.ones(13)], 1))
    assert_close(m(X.float()), in_logarithms(m, X.float()))


def test_a_window_hides_nothing_and_one_as_wide_as_all_is_none():
    full, local = attention(max_tokens=13), attention(max_tokens=13, window=13)
    assert_close(local(X), full(X))
    near = attention(max_tokens=13, window=1)
    changed = torch.cat([X[:, :-1], X[:, -1:] + 1], dim=1)
    assert (near(changed) - near(X))[:, 0].abs().min() > 0


def test_positions_of_fewer_tokens_are_the_first():
    m, few = attention(max_tokens=13), attention(max_tokens=5)
    with torch.no_grad():
        few.query_position.copy_(m.query_position[:5])
        few.key_position.copy_(m.key_position[:5])
        for name in ("query", "key", "value"):
            getattr(few, name).weight.copy_(getattr(m, name).weight)
    assert_close(m(X[:, :5]), few(X[:, :5]))


@pytest.mark.parametrize("autocast", [False, True], ids=["", "autocast"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
def test_low_precision_is_summed_in_float32(causal, dtype, autocast):
    """300 equal values: a sum in float16 is beyond 65504, one in bfloat16 stops at 256."""
    m = AttentionFree(2, max_tokens=300, rank=1, causal=causal)
    with torch.no_grad():
        m.query.weight.zero_()
        m.key.weight.zero_()
        m.value.weight.copy_(torch.eye(2))
    x = torch.full((1, 300, 2), 1000.0)
    if autocast:
        with torch.autocast("cpu", dtype=dtype):
            y = m(x)
    else:
        y = m.to(dtype)(x.to(dtype))
    assert torch.equal(y.to(dtype), (x / 2).to(dtype))  # to the last bit that such a number has


@pytest.mark.parametrize("gradients", [False, True], ids=["forward", "forward and backward"])
def test_full_needs_no_more_memory_than_other_code(gradients):
    """The sizes one meets in practice, which the memory tests use, are those of AFT-simple."""
    ours = AttentionFree(128, max_tokens=512)
    theirs, state = aft_full(ours)
    theirs.load_state_dict({key: value.detach() for key, value in state.items()})
    x = torch.randn(1, 512, 128, requires_grad=True)

    def call(m):
        with torch.set_grad_enabled(gradients):
            y = m(x)
            return torch.autograd.grad(y.sum(), [x, *m.parameters()]) if gradients else y

    assert peak_memory(lambda: call(ours)) <= peak_memory(lambda: call(theirs))


def test_a_batch_shares_one_matrix_product():
    """Neither N × N × d nor one N × N a sample is made, forward or backward."""
    m, x = AttentionFree(1, max_tokens=256, rank=1), torch.randn(64, 256, 1)
    pairs = 256 * 256 * 4  # bytes
    assert peak_memory(lambda: m(x).sum().backward()) < 12 * pairs


def test_simple_makes_no_pair_of_tokens():
    from attention_lib.measure.cost import measure

    for causal in (False, True):
        m = AttentionFree(4, causal=causal)
        few, many = (torch.empty(1, tokens, 4, device="meta") for tokens in (1024, 65536))
        assert measure(m, many).memory == 64 * measure(m, few).memory
