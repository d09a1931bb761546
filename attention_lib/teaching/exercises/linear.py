"""Judges for the exercises on linear attention."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.linear.external import _log_share
from attention_lib.teaching.exercises.watch import Judge


def _cheaper_from(answer: Callable[[int, int], int]) -> None:
    for key_size, value_size in ((64, 64), (16, 64), (2, 3), (1, 1)):
        wanted, given = 1, answer(key_size, value_size)
        while wanted**2 * (key_size + value_size) <= 2 * wanted * key_size * value_size:
            wanted += 1
        assert given is not None, "it returned nothing"
        case = f"for keys of {key_size} and values of {value_size} features"
        assert given == wanted, f"{case} it is {wanted} tokens, not {given}"


def _same(given: Tensor | None, wanted: Tensor, case: str) -> None:
    assert given is not None, "it returned nothing"
    assert given.shape == wanted.shape, f"{case} the shape is {tuple(given.shape)}"
    assert given.isfinite().all(), f"{case} not all numbers are finite"
    gap = (given - wanted).abs().max()
    assert gap < 1e-9, f"{case} a number is off by {gap:.2g}"


def _shares(answer: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, slots, scale in ((5, 3, 1.0), (3, 5, 1.0), (6, 4, 1000.0)):
        logits = scale * torch.randn(tokens, slots, dtype=torch.float64)
        if scale > 1:
            logits[0] += 10 * scale  # far ahead in every slot
        wanted = _log_share(logits[None, :, None], None)[0, :, 0].softmax(dim=-1)
        _same(answer(logits), wanted, f"with logits of about {scale:.0f}")


def _running(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, key_size, value_size in ((7, 3, 5), (1, 4, 2)):
        query, key = torch.rand(2, tokens, key_size, dtype=torch.float64) + 0.1
        value = torch.randn(tokens, value_size, dtype=torch.float64)
        weights = (query @ key.T).tril()
        wanted = weights @ value / weights.sum(dim=1, keepdim=True)
        _same(answer(query, key, value), wanted, f"with {tokens} tokens")


def _causal_mean(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, scale in ((6, 1.0), (9, 1000.0)):
        key, value = torch.randn(2, tokens, 4, dtype=torch.float64)
        key = scale * key
        wanted = torch.stack(
            [(key[: i + 1].softmax(dim=0) * value[: i + 1]).sum(dim=0) for i in range(tokens)]
        )
        _same(answer(key, value), wanted, f"with keys of about {scale:.0f}")


JUDGES = {
    2: Judge(_cheaper_from),
    3: Judge(_shares),
    4: Judge(_running),
    6: Judge(_causal_mean),
}
