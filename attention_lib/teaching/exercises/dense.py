"""Judges for the exercises on dense attention."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.core.masks import causal_mask, masked_softmax
from attention_lib.dense import MultiHeadAttention
from attention_lib.measure.cost import measure
from attention_lib.teaching.exercises.watch import Judge

State = tuple[Tensor, Tensor, Tensor]


def _multiply_adds(answer: Callable[[int, int, int], int]) -> None:
    for tokens, others, dim in ((7, 7, 12), (5, 11, 12), (64, 16, 24)):
        with torch.device("meta"):
            attention = MultiHeadAttention(dim, heads=3)
            x, context = torch.randn(1, tokens, dim), torch.randn(1, others, dim)
            wanted = measure(attention, x, context).macs
        given = answer(tokens, others, dim)
        assert given is not None, "it returned nothing"
        case = f"for {tokens} tokens, {others} others, dim={dim}"
        assert given == wanted, f"{case} it is {wanted}, not {given}"


def _masked_attention(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for batch, tokens, head_dim in ((2, 5, 3), (3, 1, 4)):
        query, key, value = torch.randn(3, batch, tokens, head_dim, dtype=torch.float64)
        real = torch.rand(batch, tokens) > 0.4
        real[0] = False  # a sample of padding alone
        allowed = causal_mask(query) & real[:, None]
        wanted = masked_softmax(query @ key.mT / head_dim**0.5, allowed) @ value
        given = answer(query.requires_grad_(), key, value, real)
        assert given is not None, "it returned nothing"
        assert given.shape == wanted.shape, f"it gives {tuple(given.shape)}"
        assert given.isfinite().all(), "a token that may see nothing gathers nan, not zeros"
        gap = (given - wanted).abs().max()
        assert gap < 1e-9, f"a number is off by {gap:.2g}"
        given.sum().backward()
        assert query.grad.isfinite().all(), "the answer is finite, but its gradient is not"
        secret = torch.where(real[..., None], value, 1e6)
        assert answer(query, key, secret, real).equal(given), "what is hidden has an influence"


def _merged(answer: Callable[[State, State], State]) -> None:
    torch.manual_seed(0)
    logits, values = 4 * torch.randn(3, 9, dtype=torch.float64), torch.randn(9, 2).double()
    logits[1] += 800  # e to that power is more than float64 holds
    wanted = logits.softmax(dim=-1) @ values
    for cut in (1, 4, 8):
        parts = (_state(logits[:, part], values[part]) for part in (slice(0, cut), slice(cut, 9)))
        given = answer(*parts)
        assert given is not None, "it returned nothing"
        assert len(given) == 3, "it is to return the largest logit, the sum and the weighted sum"
        largest, total, gathered = given
        assert largest.shape == total.shape == (3, 1), "keep the last axis of length 1"
        best = logits.amax(dim=-1, keepdim=True)
        assert torch.equal(largest, best), "the first is to be the largest logit of both parts"
        gap = (gathered / total - wanted).abs().max()
        assert gap < 1e-9, f"an answer is off by {gap:.2g}"
        gap = (total - (logits - best).exp().sum(dim=-1, keepdim=True)).abs().max()
        assert gap < 1e-9, f"a sum is off by {gap:.2g}"


def _state(logits: Tensor, values: Tensor) -> State:
    """Largest logit, sum of powers, weighted sum of values: what an online softmax keeps."""
    largest = logits.amax(dim=-1, keepdim=True)
    powers = (logits - largest).exp()
    return largest, powers.sum(dim=-1, keepdim=True), powers @ values


JUDGES = {
    2: Judge(_multiply_adds),
    3: Judge(_masked_attention),
    5: Judge(_merged),
}
