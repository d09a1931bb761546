"""Judges for the exercises on linear attention."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.linear.external import _log_share
from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    Part,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge


def _by_hand(answer: Callable[[], tuple[list[float], list[float], float]]) -> None:
    parts: dict[str, Part] = {
        "M": ([7, 16], 1e-9),
        "z": ([3, 4], 1e-9),
        "what is read": ([23 / 7], 0.006),
    }
    hold_parts(answer(), parts)


def _cheaper_from(answer: Callable[[int, int], int]) -> None:
    cases: list[Case] = []
    for key_size, value_size in ((64, 64), (16, 64), (2, 3), (1, 1)):
        wanted = 1
        while wanted**2 * (key_size + value_size) <= 2 * wanted * key_size * value_size:
            wanted += 1
        said = f"for keys of {key_size} and values of {value_size} features"
        cases.append(((key_size, value_size), wanted, said))
    hold_numbers(answer, cases, form=",")


def _shares(answer: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, slots, scale in ((5, 3, 1.0), (3, 5, 1.0), (6, 4, 1000.0)):
        logits = scale * torch.randn(tokens, slots, dtype=EXACT)
        if scale > 1:
            logits[0] += 10 * scale  # far ahead in every slot
        wanted = _log_share(logits[None, :, None], None)[0, :, 0].softmax(dim=-1)
        hold_tensor(answer(logits), wanted, f"with logits of about {scale:.0f}")


def _running(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, key_size, value_size in ((40, 3, 5), (1, 4, 2)):
        query, key = torch.rand(2, tokens, key_size, dtype=EXACT) + 0.1
        value = torch.randn(tokens, value_size, dtype=EXACT)
        wanted = _read(query @ key.T, value)
        hold_tensor(answer(query, key, value), wanted, f"with {tokens} tokens")


def _read(weights: Tensor, value: Tensor, late: int = 0) -> Tensor:
    """What causal weights read; those of the last `late` tokens are left out."""
    weights = weights.tril(-late)
    return weights @ value / weights.sum(dim=-1, keepdim=True)


def _causal_mean(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for tokens, scale in ((6, 1.0), (9, 1000.0)):
        key, value = torch.randn(2, tokens, 4, dtype=EXACT)
        key = scale * key
        wanted = torch.stack(
            [(key[: i + 1].softmax(dim=0) * value[: i + 1]).sum(dim=0) for i in range(tokens)]
        )
        hold_tensor(answer(key, value), wanted, f"with keys of about {scale:.0f}")


def _mean_so_far(powers: Tensor, value: Tensor, late: int = 0) -> Tensor:
    above, below = (powers * value).cumsum(dim=0), powers.cumsum(dim=0)
    return (above - late * powers * value) / (below - late * powers)


def _not_rescaled(key: Tensor, value: Tensor) -> Tensor:
    return _mean_so_far((key - key.cummax(dim=0).values).exp(), value)


def _fading(answer: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    for kept in (0.9, 0.5):
        query, key = torch.randn(2, 2, 7, 3, dtype=EXACT)
        value, strength = torch.randn(2, 7, 5, dtype=EXACT), torch.rand(2, 7, 1, dtype=EXACT)
        wanted = _read(_products(query, key) * _fade(7, kept), value)
        try:
            given = answer(query, key, value, strength, kept=kept)
        except RuntimeError as broken:
            what = f"query is {tuple(query.shape)}, which is (batch, tokens, features)"
            raise RuntimeError(f"{broken}; {what}") from broken
        # it may add a small number to the divisor
        hold_tensor(given, wanted, f"with kept={kept}", allowed=1e-4)


def _products(query: Tensor, key: Tensor) -> Tensor:
    return (F.elu(query) + 1) @ (F.elu(key) + 1).mT


def _fade(tokens: int, kept: float) -> Tensor:
    position = torch.arange(tokens, dtype=EXACT)
    return kept ** (position[:, None] - position)


def _faded(wrong: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> Callable:
    """A mistake of exercise 7: what it reads, by weights that do not fade yet."""

    def mistake(
        query: Tensor, key: Tensor, value: Tensor, strength: Tensor, kept: float = 0.9
    ) -> Tensor:
        return wrong(_products(query, key), value, strength, _fade(7, kept), kept)

    return mistake


def _over_the_batch(
    query: Tensor, key: Tensor, value: Tensor, strength: Tensor, kept: float = 0.9
) -> Tensor:
    """The fading sums run over the samples, token by token."""
    query, key = F.elu(query) + 1, F.elu(key) + 1
    fade = _fade(len(query), kept).tril()
    summary = torch.einsum("st,tnk,tnv->snkv", fade, key, value)
    total = torch.einsum("st,tnk->snk", fade, key)
    above = torch.einsum("snk,snkv->snv", query, summary)
    return above / (query * total).sum(dim=-1, keepdim=True)


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "the values are missing in M": lambda: ([3, 4], [3, 4], 1.0),
            "each key is multiplied with the other's value": lambda: ([11, 8], [3, 4], 2.71),
            "the sums are multiplied, where products are to be summed": (
                lambda: ([18, 24], [3, 4], 6.0)
            ),
            "what is read is not divided by the sum of the weights": lambda: (
                [7, 16],
                [3, 4],
                23.0,
            ),
            "what is read is divided by the number of tokens, not by the sum of the weights": (
                lambda: ([7, 16], [3, 4], 11.5)
            ),
        },
    ),
    2: Judge(
        _cheaper_from,
        mistakes={
            "at this number the two sides cost the same, or the pairs still cost less": (
                lambda k, v: 2 * k * v // (k + v)
            ),
            "this holds only where keys and values have the same size": lambda k, v: k + 1,
            "this takes the larger of the two sizes for both": lambda k, v: max(k, v) + 1,
            "this counts only one of the two products on the right": (
                lambda k, v: k * v // (k + v) + 1
            ),
            "this counts only one of the two products on the left": lambda k, v: 2 * v + 1,
        },
    ),
    3: Judge(
        _shares,
        mistakes={
            "a sum of shares vanishes, and 0 is divided by it": (
                lambda logits: (s := logits.softmax(dim=0)) / s.sum(dim=1, keepdim=True)
            ),
            "with a small number in the divisor the weights no longer sum to 1": (
                lambda logits: (s := logits.softmax(dim=0)) / (s.sum(dim=1, keepdim=True) + 1e-9)
            ),
            "this divides over the slots alone": lambda logits: logits.softmax(dim=1),
            "this divides over the tokens alone": lambda logits: logits.softmax(dim=0),
            "this divides over the slots first, then over the tokens": (
                lambda logits: logits.log_softmax(dim=1).softmax(dim=0)
            ),
            "this takes a softmax of the shares; it is to be of their logarithms": (
                lambda logits: logits.softmax(dim=0).softmax(dim=1)
            ),
        },
    ),
    4: Judge(
        _running,
        largest=lambda query, key, value: key.numel() * value.shape[1],
        mistakes={
            "a token does not read itself": (
                lambda query, key, value: _read(query @ key.T, value, late=1)
            ),
            "each token reads all tokens, also those behind it": (
                lambda query, key, value: F.normalize(query @ key.T, p=1, dim=1) @ value
            ),
            "nothing is divided by the sum of the weights": (
                lambda query, key, value: (query @ key.T).tril() @ value
            ),
            "this divides by the number of tokens, not by the sum of their weights": (
                lambda query, key, value: (
                    (query @ key.T).tril() @ value / torch.arange(1, len(key) + 1)[:, None]
                )
            ),
            "z does not add up: each token divides by its own key": (
                lambda query, key, value: (
                    (query @ key.T).tril() @ value / (query * key).sum(dim=1, keepdim=True)
                )
            ),
            "the state does not add up: each token reads itself alone": (
                lambda query, key, value: value.clone()
            ),
        },
    ),
    6: Judge(
        _causal_mean,
        mistakes={
            "exp of the keys overflows": lambda key, value: _mean_so_far(key.exp(), value),
            "beside the largest key of all, early sums vanish": (
                lambda key, value: _mean_so_far((key - key.amax(dim=0)).exp(), value)
            ),
            "the sums so far are not scaled down when the largest key rises": _not_rescaled,
            "each token reads all tokens, also those behind it": (
                lambda key, value: (key.softmax(dim=0) * value).sum(dim=0).expand_as(value)
            ),
            "a token does not read itself": (
                lambda key, value: _mean_so_far(key.exp(), value, late=1)
            ),
            "nothing is divided by the sum of the powers": (
                lambda key, value: (key.exp() * value).cumsum(dim=0)
            ),
        },
    ),
    7: Judge(
        _fading,
        mistakes={
            "nothing fades": _faded(lambda w, value, strength, fade, kept: _read(w, value)),
            "z does not fade": _faded(
                lambda w, value, strength, fade, kept: (
                    (w * fade).tril() @ value / w.tril().sum(dim=-1, keepdim=True)
                )
            ),
            "the older a token, the more it counts": _faded(
                lambda w, value, strength, fade, kept: _read(w / fade, value)
            ),
            "1 - kept is left of the state at each step, not kept": _faded(
                lambda w, value, strength, fade, kept: _read(w * _fade(7, 1 - kept), value)
            ),
            "0.9 stands where kept is to stand": _faded(
                lambda w, value, strength, fade, kept: _read(w * _fade(7, 0.9), value)
            ),
            "each token reads all tokens, also those behind it": _faded(
                lambda w, value, strength, fade, kept: F.normalize(w * fade, p=1, dim=-1) @ value
            ),
            "nothing is divided by the sum of the weights": _faded(
                lambda w, value, strength, fade, kept: (w * fade).tril() @ value
            ),
            "the strength is not used here": _faded(
                lambda w, value, strength, fade, kept: _read(w * fade, strength * value)
            ),
            "the state runs over the samples of the batch, and is to run over their tokens": (
                _over_the_batch
            ),
            "φ is missing: queries and keys are multiplied as they are": (
                lambda query, key, value, strength, kept=0.9: _read(
                    query @ key.mT * _fade(7, kept), value
                )
            ),
            "φ is elu alone; the 1 is missing": (
                lambda query, key, value, strength, kept=0.9: _read(
                    F.elu(query) @ F.elu(key).mT * _fade(7, kept), value
                )
            ),
        },
    ),
}
