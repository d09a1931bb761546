"""Judges for the exercises on dense attention."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.core.masks import causal_mask, masked_softmax
from attention_lib.dense import MultiHeadAttention
from attention_lib.measure.cost import measure
from attention_lib.teaching.exercises.numbers import Case, as_tensor, hold_numbers, hold_tensor
from attention_lib.teaching.exercises.watch import Judge

State = tuple[Tensor, Tensor, Tensor]


def _multiply_adds(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = []
    for tokens, others, dim in ((5, 11, 12), (7, 7, 12), (64, 16, 24)):
        with torch.device("meta"):
            attention = MultiHeadAttention(dim, heads=3)
            x, context = torch.randn(1, tokens, dim), torch.randn(1, others, dim)
            wanted = measure(attention, x, context).macs
        said = f"for {tokens} tokens, {others} others, dim={dim}"
        cases.append(((tokens, others, dim), wanted, said))
    hold_numbers(answer, cases, form=",")


def _masked_attention(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for batch, tokens, head_dim in ((2, 5, 3), (3, 1, 4)):
        query, key, value = torch.randn(3, batch, tokens, head_dim, dtype=torch.float64)
        real = torch.rand(batch, tokens) > 0.4
        real[0] = False  # a sample of padding alone
        wanted = _attention(query, key, value, causal_mask(query) & real[:, None])
        given = as_tensor(answer(query.requires_grad_(), key, value, real))
        assert not given.isnan().any(), "a token that may see nothing gathers nan, not zeros"
        hold_tensor(given, wanted, f"for queries of shape {tuple(query.shape)}")
        assert given.requires_grad, "no gradient can reach the queries"
        given.sum().backward()
        assert query.grad.isfinite().all(), "the answer is finite, but its gradient is not"
        secret = torch.where(real[..., None], value, 1e6)
        again = as_tensor(answer(query, key, secret, real))
        assert again.equal(given), "what is hidden has an influence"


def _attention(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, power: float = -0.5
) -> Tensor:
    """Masked attention with a power of the features as scale; who may see nothing gathers zeros."""
    return masked_softmax(query @ key.mT * query.shape[-1] ** power, allowed) @ value


def _hidden_by(number: float) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Attention whose mask is a number in place of each hidden logit."""

    def attention(query: Tensor, key: Tensor, value: Tensor, real: Tensor) -> Tensor:
        logits = query @ key.mT / query.shape[-1] ** 0.5
        allowed = causal_mask(query) & real[:, None]
        return logits.masked_fill(~allowed, number).softmax(dim=-1) @ value

    return attention


def _merged(answer: Callable[[State, State], State]) -> None:
    torch.manual_seed(0)
    logits, values = 4 * torch.randn(3, 9, dtype=torch.float64), torch.randn(9, 2).double()
    logits[1] += 800  # e to that power is more than float64 holds
    wanted = logits.softmax(dim=-1) @ values
    for cut in (4, 1, 8):
        parts = (_state(logits[:, part], values[part]) for part in (slice(0, cut), slice(cut, 9)))
        given = answer(*parts)
        assert given is not None, "it returned nothing"
        assert len(given) == 3, "it is to return the largest logit, the sum and the weighted sum"
        largest, total, gathered = map(as_tensor, given)
        assert largest.shape == total.shape == (3, 1), "keep the last axis of length 1"
        best = logits.amax(dim=-1, keepdim=True)
        assert torch.equal(largest, best), "the first is to be the largest logit of both parts"
        finite = total.isfinite().all() and gathered.isfinite().all()
        assert finite, "nan or inf came out: an exponential overflowed"
        hold_tensor(total, (logits - best).exp().sum(dim=-1, keepdim=True), "of the sums,")
        hold_tensor(gathered / total, wanted, "of the answers u / z,")


def _state(logits: Tensor, values: Tensor) -> State:
    """Largest logit, sum of powers, weighted sum of values: what an online softmax keeps."""
    largest = logits.amax(dim=-1, keepdim=True)
    powers = (logits - largest).exp()
    return largest, powers.sum(dim=-1, keepdim=True), powers @ values


def _merged_with(shrink: Callable[[Tensor, Tensor], Tensor]) -> Callable[[State, State], State]:
    """A merge whose factors are `shrink(largest of a part, largest of both)`."""

    def merge(one: State, two: State) -> State:
        largest = torch.maximum(one[0], two[0])
        left, right = (shrink(part[0], largest) for part in (one, two))
        return largest, one[1] * left + two[1] * right, one[2] * left + two[2] * right

    return merge


def _shrunk(old: Tensor, new: Tensor) -> Tensor:
    return (old - new).exp()


def _sums_alone(one: State, two: State) -> State:
    largest, total, _ = _merged_with(_shrunk)(one, two)
    return largest, total, one[2] + two[2]


def _first_alone(one: State, two: State) -> State:
    largest = torch.maximum(one[0], two[0])
    left = _shrunk(one[0], largest)
    return largest, one[1] * left + two[1], one[2] * left + two[2]


def _divided(one: State, two: State) -> State:
    largest, total, gathered = _merged_with(_shrunk)(one, two)
    return largest, total, gathered / total


IF = "this is what comes out if"
JUDGES = {
    2: Judge(
        _multiply_adds,
        forbids=("matmul",),  # to build a module and count it
        mistakes={
            f"{IF} keys and values are made of the tokens, not of the others": (
                lambda tokens, others, dim: 4 * tokens * dim**2 + 2 * tokens * others * dim
            ),
            f"{IF} queries and output are made of the others": (
                lambda tokens, others, dim: 4 * others * dim**2 + 2 * tokens * others * dim
            ),
            f"{IF} the others are ignored: tokens that attend to themselves": (
                lambda tokens, others, dim: 4 * tokens * dim**2 + 2 * tokens**2 * dim
            ),
            f"{IF} keys and values are one projection: there are two": (
                lambda tokens, others, dim: (
                    (2 * tokens + others) * dim**2 + 2 * tokens * others * dim
                )
            ),
            f"{IF} the output is forgotten": (
                lambda tokens, others, dim: (
                    (tokens + 2 * others) * dim**2 + 2 * tokens * others * dim
                )
            ),
            f"{IF} pairs are compared, but nothing is gathered": (
                lambda tokens, others, dim: 2 * (tokens + others) * dim**2 + tokens * others * dim
            ),
            f"{IF} each token attends to all tokens, not to the others": (
                lambda tokens, others, dim: 2 * (tokens + others) * dim**2 + 2 * tokens**2 * dim
            ),
            f"{IF} the pairs are forgotten": (
                lambda tokens, others, dim: 2 * (tokens + others) * dim**2
            ),
            "these are operations; a multiply-add is two of them": (
                lambda tokens, others, dim: (
                    4 * (tokens + others) * dim**2 + 4 * tokens * others * dim
                )
            ),
        },
    ),
    3: Judge(
        _masked_attention,
        mistakes={
            f"{IF} a softmax runs over logits that are all -inf": _hidden_by(-torch.inf),
            f"{IF} hidden logits are -1e9: a token that may see nothing averages all": (
                _hidden_by(-1e9)
            ),
            f"{IF} hidden logits are 0: e to the power of 0 is 1": _hidden_by(0.0),
            f"{IF} padding is hidden, but the future is not": (
                lambda query, key, value, real: _attention(
                    query, key, value, real[:, None].expand(-1, query.shape[1], -1)
                )
            ),
            f"{IF} the future is hidden, but padding is not": (
                lambda query, key, value, real: _attention(query, key, value, causal_mask(query))
            ),
            f"{IF} the mask is multiplied after the softmax: the weights no longer sum to 1": (
                lambda query, key, value, real: (
                    (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)
                    * (causal_mask(query) & real[:, None])
                    @ value
                )
            ),
            f"{IF} the mask is inverted: real tokens are hidden": (
                lambda query, key, value, real: _attention(
                    query, key, value, ~(causal_mask(query) & real[:, None])
                )
            ),
            f"{IF} the past is hidden, not the future": (
                lambda query, key, value, real: _attention(
                    query, key, value, causal_mask(query).mT & real[:, None]
                )
            ),
            f"{IF} padding is taken from the queries, not from the keys": (
                lambda query, key, value, real: _attention(
                    query, key, value, causal_mask(query) & real[..., None]
                )
            ),
            f"{IF} padding gathers nothing: it gathers what any token at its place may see": (
                lambda query, key, value, real: _attention(
                    query, key, value, causal_mask(query) & real[:, None] & real[..., None]
                )
            ),
            f"{IF} a token does not see itself": (
                lambda query, key, value, real: _attention(
                    query, key, value, causal_mask(query).tril(-1) & real[:, None]
                )
            ),
            f"{IF} the logits are not divided by √d_h": (
                lambda query, key, value, real: _attention(
                    query, key, value, causal_mask(query) & real[:, None], power=0
                )
            ),
        },
    ),
    5: Judge(
        _merged,
        mistakes={
            f"{IF} the sums are added without being brought to one largest logit": (
                _merged_with(lambda old, new: torch.ones_like(old))
            ),
            f"{IF} the sums shrink, but the weighted sums do not": _sums_alone,
            f"{IF} only the first part shrinks: the second may have the smaller logits": (
                _first_alone
            ),
            f"{IF} the smaller part grows: the exponent has the wrong sign": (
                _merged_with(lambda old, new: (new - old).exp())
            ),
            f"{IF} e to the power of a logit is taken, with nothing subtracted": (
                _merged_with(lambda old, new: old.exp())
            ),
            f"{IF} the weighted sum is divided by the sum: that is the answer, not the state": (
                _divided
            ),
        },
    ),
}
