"""What only unit force attention promises: lengths of one, whatever comes in."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import FLOATS, randomize
from attention_lib.linear import UnitForceAttention
from attention_lib.measure.timing import peak_memory

X = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture
def attention():
    """Without biases and without the projection at the end: y = XN(q) XN(kᵀv)."""
    m = randomize(UnitForceAttention(12, heads=3, eps=1e-20)).double()
    nn.init.zeros_(m.query_key_value.bias)
    nn.init.ones_(m.gamma)
    m.out = nn.Identity()
    return m


def test_every_layer_has_a_bias_and_gamma_starts_at_one():
    m = UnitForceAttention(64)
    assert m.heads == 8 and m.eps == 1e-6
    assert torch.equal(m.gamma, torch.ones(8))
    assert m.query_key_value.bias is not None and m.out.bias is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dim=0), "^dim=0 must be at least 1$"),
        (dict(dim=8, heads=0), "^heads=0 must be at least 1$"),
        (dict(dim=10, heads=4), "^dim=10 must be a multiple of heads=4$"),
        (dict(dim=8, eps=0.0), "^eps=0.0 must be above 0 and finite$"),
        (dict(dim=8, eps=-1.0), "^eps=-1.0 must be above 0 and finite$"),
        (dict(dim=8, eps=float("nan")), "^eps=nan must be above 0 and finite$"),
    ],
)
def test_senseless_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        UnitForceAttention(**arguments)


def test_one_of_everything_is_enough():
    assert UnitForceAttention(1, heads=1)(torch.ones(1, 1, 1)).shape == (1, 1, 1)


def test_every_answer_is_a_cosine(attention):
    """Of the query and of what the keys, weighted by one feature of the values, add up to."""
    query, key, value = attention.query_key_value(X).chunk(3, dim=-1)
    y = attention(X)
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        for c in range(4):
            force = (key[..., part] * value[..., part][..., c : c + 1]).sum(dim=1, keepdim=True)
            cosine = torch.cosine_similarity(query[..., part], force, dim=-1)
            assert_close(y[..., part][..., c], cosine)
    assert y.abs().max() <= 1


def test_gamma_is_for_a_head_and_counts_twice(attention):
    y = attention(X)
    attention.gamma.data = torch.tensor([2.0, 1.0, -3.0]).double()
    assert_close(attention(X), y * torch.tensor([4.0, 1.0, 9.0]).repeat_interleave(4))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_token_of_zeros_gets_zeros(attention, dtype):
    attention.to(dtype).eps = 1e-6
    x = X.to(dtype).clone()
    x[0, 3] = 0
    x[1] = 0
    x.requires_grad_()
    y = attention(x)
    assert not y[0, 3].any() and not y[1].any() and y[0, 2].all()
    y.mean().backward()
    grads = [x.grad, *(p.grad for p in attention.parameters())]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_length_of_tokens_makes_no_difference(attention, scale):
    assert_close(attention(scale * X), attention(X))


def test_the_number_of_tokens_makes_no_difference(attention):
    assert_close(attention(torch.cat([X, X, X], dim=1))[:, :7], attention(X))


def test_eps_is_added_to_the_squared_length_of_the_whole_sum():
    """Not to each token's share of it, nor to the length."""
    m = UnitForceAttention(2, heads=2, eps=3.0).double()
    with torch.no_grad():
        m.query_key_value.weight.copy_(torch.eye(2).repeat(3, 1))
        nn.init.zeros_(m.query_key_value.bias)
    m.out = nn.Identity()
    x = torch.tensor([[[0.1, 20.0], [0.2, 0.5]], [[5.0, 0.3], [7.0, 0.1]]]).double()
    force = x.square().sum(dim=1, keepdim=True)
    assert_close(m(x), x / (x.square() + 3).sqrt() * force / (force.square() + 3).sqrt())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["", "autocast"])
def test_large_tokens_do_not_overflow(attention, dtype, autocast):
    """k and v are some thousands, kᵀv some millions: float16 ends at 65504."""

    def error(x):
        x = x.to(dtype)
        expected = deepcopy(attention)(x.double())
        if autocast:
            with torch.autocast("cpu", dtype=dtype):
                return (deepcopy(attention).float()(x.float()) - expected).norm()
        return (deepcopy(attention).to(dtype)(x) - expected).norm()

    assert error(1024 * X) <= 2 * error(X)


def test_the_summary_does_not_grow_with_the_tokens():
    """Nothing is larger than the tokens themselves: not a pair of them, nor a summary for each."""
    m, x = UnitForceAttention(16), torch.randn(1, 4096, 16)
    with torch.no_grad():
        assert peak_memory(lambda: m(x)) < 12 * x.nbytes
