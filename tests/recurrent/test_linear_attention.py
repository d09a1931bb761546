"""Linear attention: what it alone promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.checks.order import check_steps
from attention_lib.recurrent.linear_attention import CARD, LinearAttention


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_how_tokens_are_cut_into_chunks_makes_no_difference(chunk):
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    whole = randomize(LinearAttention(12, heads=3, chunk=7)).double()
    cut = LinearAttention(12, heads=3, chunk=chunk).double()
    cut.load_state_dict(whole.state_dict())
    assert_close(cut(x), whole(x))


def test_a_single_token_reads_its_own_value():
    mechanism = randomize(LinearAttention(12, heads=3, eps=0.0)).double()
    x = torch.randn(2, 12, dtype=torch.float64)
    value = mechanism.query_key_value(x).chunk(3, dim=-1)[2]
    assert_close(mechanism.step(x)[0], mechanism.out(value))


def test_without_an_order_the_last_token_reads_as_much_as_any():
    causal, both = (LinearAttention(12, heads=3, causal=c).double() for c in (True, False))
    both.load_state_dict(causal.state_dict())
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    assert_close(causal(x)[:, -1], both(x)[:, -1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_state_is_wider_than_half_precision(dtype):
    """A sum of many tokens would lose the last of them."""
    mechanism = LinearAttention(12, heads=3).to(dtype)
    _, state = mechanism.prefill(torch.randn(2, 7, 12, dtype=dtype))
    y, state = mechanism.step(torch.randn(2, 12, dtype=dtype), state)
    assert y.dtype == dtype and {part.dtype for part in state} == {torch.float32}


def test_a_state_of_another_shape_is_refused():
    mechanism = LinearAttention(12, heads=3)
    x = torch.randn(2, 7, 12)
    _, (sums, norm) = mechanism.prefill(x)
    with pytest.raises(ValueError, match=r"state\[0\] must be \(batch=2, heads=3, head_dim=4"):
        mechanism.prefill(x, (sums[:, :2], norm))
    with pytest.raises(ValueError, match=r"state\[1\] must be \(batch=1, heads=3, head_dim=4"):
        mechanism.step(x[:1, 0], (sums[:1], norm))


def test_there_is_no_step_without_an_order():
    mechanism = LinearAttention(12, heads=3, causal=False)
    for call in (mechanism.prefill, lambda x: mechanism.step(x[:, 0])):
        with pytest.raises(ValueError, match="causal=False"):
            call(torch.randn(2, 7, 12))


def forgets(right):
    return lambda self, x, state=None: right(self, x)


def changes_its_state(right):
    def prefill(self, x, state=None):
        if state is not None:
            state[0].data.mul_(1.001)
        return right(self, x, state)

    return prefill


@pytest.mark.parametrize("fault", [forgets, changes_its_state])
@pytest.mark.parametrize("name", ["prefill", "step"])
def test_the_contract_sees_a_state_that_is_wrong(monkeypatch, name, fault):
    monkeypatch.setattr(LinearAttention, name, fault(getattr(LinearAttention, name)))
    with pytest.raises(AssertionError):
        check_steps(CARD)
