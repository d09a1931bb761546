"""Judges for the exercises of the first chapter."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.teaching.exercises.watch import Judge

EXACT = torch.float64


def _close(given: object, wanted: Tensor, case: str) -> None:
    """Refuse what is no tensor, has another shape or other numbers, and say so."""
    assert given is not None, "it returned nothing"
    assert isinstance(given, Tensor), f"it returned {type(given).__name__}, wanted is a tensor"
    assert given.shape == wanted.shape, (
        f"{case} it has shape {tuple(given.shape)}, wanted is {tuple(wanted.shape)}"
    )
    assert not given.isnan().any(), f"{case} it gives nan"
    gap = (given - wanted).abs().max()
    assert gap < 1e-9, f"{case} a number is off by {gap:.2g}"


def _softmax(answer: Callable[[Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, generator=draw, dtype=EXACT)
    barred = torch.tensor([0.0, 1.0, -torch.inf], dtype=EXACT)
    for case, given in (
        ("for logits (3, 4, 5)", logits),
        ("for logits near 2,000", 1000 * (logits + 2)),
        ("where a logit is -inf", barred),
    ):
        _close(answer(given.clone()), given.softmax(dim=-1), case)


def _attend(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    for shapes in (((5, 4), (5, 4), (5, 4)), ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))):
        query, key, value = (torch.randn(shape, generator=draw, dtype=EXACT) for shape in shapes)
        wanted = _attention(query, key, value)
        case = f"for query {shapes[0]}, key {shapes[1]} and value {shapes[2]}"
        _close(answer(query, key, value), wanted, case)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None = None, dim: int = -1
) -> Tensor:
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return (scale * query @ key.mT).softmax(dim) @ value


def _previous_share(answer: Callable[[Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((4, 4), (6, 12, 9, 9)):
        weights = torch.randn(shape, generator=draw, dtype=EXACT).softmax(dim=-1)
        places = range(2, shape[-1] - 1)
        wanted = torch.stack([weights[..., i, i - 1] for i in places]).mean(dim=0)
        _close(answer(weights.clone()), wanted, f"for weights {shape}")


def _look_back(answer: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    for tokens in (3, 16, 64):
        given = answer(tokens)
        assert given is not None, "it returned nothing"
        query, key = (torch.as_tensor(part).double() for part in given)
        case = f"for {tokens} tokens"
        assert query.shape == key.shape, f"{case} query and key differ in shape"
        assert query.ndim == 2 and len(query) == tokens, f"{case} query is {tuple(query.shape)}"
        features = query.shape[1]
        assert features <= 8, f"{case} it takes {features} features, at most 8 are allowed"
        weights = (query @ key.T / features**0.5).softmax(dim=-1)
        least = weights.diagonal(-1).min()
        assert least >= 0.99, f"{case} a token has only {least:.2f} on the one before it"


JUDGES = {
    2: Judge(
        _softmax,
        forbids=("softmax", "logsumexp"),
        mistakes={
            "this is what comes out if the largest logit is not taken off first": (
                lambda logits: logits.exp() / logits.exp().sum(dim=-1, keepdim=True)
            ),
            "this is what comes out if the sum runs along the first axis": (
                lambda logits: logits.softmax(dim=0)
            ),
            "this is what comes out if one sum is taken over all axes": (
                lambda logits: logits.flatten().softmax(dim=0).view_as(logits)
            ),
            "this is what comes out if nothing is divided by the sum": (
                lambda logits: (logits - logits.amax(dim=-1, keepdim=True)).exp()
            ),
            "this is the logarithm of what is wanted": (lambda logits: logits.log_softmax(dim=-1)),
        },
    ),
    3: Judge(
        _attend,
        forbids=("matmul", "attention"),
        mistakes={
            "this is what comes out if the logits are not divided by √d": (
                lambda query, key, value: _attention(query, key, value, scale=1.0)
            ),
            "this is what comes out if the logits are divided by d, not by √d": (
                lambda query, key, value: _attention(query, key, value, 1 / query.shape[-1])
            ),
            "this is what comes out if the softmax runs over the queries": (
                lambda query, key, value: _attention(query, key, value, dim=-2)
            ),
            "this is what comes out if the scale is applied after the softmax": (
                lambda query, key, value: (
                    _attention(query, key, value, scale=1.0) / query.shape[-1] ** 0.5
                )
            ),
            "this is what comes out if the weights are not normalized": (
                lambda query, key, value: (query @ key.mT / query.shape[-1] ** 0.5).exp() @ value
            ),
        },
    ),
    5: Judge(_previous_share),
    6: Judge(_look_back),
}
