"""Judges for the exercises of the first chapter."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.teaching.exercises.numbers import EXACT, as_tensor, hold_tensor
from attention_lib.teaching.exercises.watch import Judge


def _two(given: object, what: str) -> tuple[Tensor, Tensor]:
    """The two tensors of an answer."""
    assert given is not None, "it returned nothing"
    assert isinstance(given, tuple | list) and len(given) == 2, f"it is to return {what}"
    first, second = map(as_tensor, given)
    return first, second


def _softmax(answer: Callable[[Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, generator=draw, dtype=EXACT)
    barred = torch.tensor([0.0, 1.0, -torch.inf], dtype=EXACT)
    for case, given in (
        ("for logits of shape (3, 4, 5)", logits),
        ("for logits near 2,000", 1000 * (logits + 2)),
        ("where a logit is -inf", barred),
    ):
        hold_tensor(answer(given.clone()), given.softmax(dim=-1), case)


def _attend(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    for shapes in (((5, 4), (5, 4), (5, 4)), ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))):
        query, key, value = (torch.randn(shape, generator=draw, dtype=EXACT) for shape in shapes)
        case = "for query, key and value of shapes {}, {} and {}".format(*shapes)
        hold_tensor(answer(query, key, value), _attention(query, key, value), case)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, power: float = -0.5, dim: int = -1
) -> Tensor:
    """Attention with a power of the features as scale, and a softmax along `dim`."""
    return (query @ key.mT * query.shape[-1] ** power).softmax(dim) @ value


def _previous_share(answer: Callable[[Tensor], Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((4, 4), (6, 12, 9, 9)):
        weights = torch.randn(shape, generator=draw, dtype=EXACT).softmax(dim=-1)
        rows = range(2, shape[-1] - 1)
        wanted = torch.stack([weights[..., i, i - 1] for i in rows]).mean(dim=0)
        hold_tensor(answer(weights.clone()), wanted, f"for weights of shape {shape}")


def _look_back(answer: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    for tokens in (16, 3, 64):
        query, key = (part.double() for part in _two(answer(tokens), "a query and a key"))
        case = f"for {tokens} tokens"
        assert query.shape == key.shape, f"{case} query and key differ in shape"
        assert query.ndim == 2 and len(query) == tokens, f"{case} query is {tuple(query.shape)}"
        features = query.shape[1]
        assert features <= 8, f"{case} it takes {features} features, at most 8 are allowed"
        weights = (query @ key.T / features**0.5).softmax(dim=-1)
        least = weights.diagonal(-1).min()
        assert least >= 0.99, (
            f"{case} a token has only {least:.2f} on the one before it: {_looks(weights)}"
        )


def _looks(weights: Tensor) -> str:
    """Where most tokens look, in words."""
    offsets = weights[1:].argmax(dim=1) - torch.arange(1, len(weights))
    most = int(offsets.mode().values)
    if most == -1:
        return "most look at the right one, but not sharply enough"
    names = {0: "themselves", 1: "the next token", -2: "the token two before them"}
    return f"most look at {names.get(most, 'another token')}"


def _additivity(answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    draw = torch.Generator().manual_seed(0)
    single = torch.randn(3, 5, 7, generator=draw, dtype=EXACT)
    joint = single.sum(dim=0) + torch.randn(5, 7, generator=draw, dtype=EXACT)
    ratio, cosine = _two(answer(joint, single), "two tensors, ratios and cosines")
    wanted_ratio, wanted_cosine = _compared(joint, single.sum(dim=0))
    hold_tensor(ratio, wanted_ratio, "of the ratios,")
    hold_tensor(cosine, wanted_cosine, "of the cosines,")


def _compared(joint: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """How much longer one vector is than another, and the cosine of their angle."""
    ratio = joint.norm(dim=-1) / added.norm(dim=-1)
    return ratio, F.cosine_similarity(joint, added, dim=-1)


IF = "this is what comes out if"
JUDGES = {
    2: Judge(
        _softmax,
        forbids=("softmax", "logsumexp"),
        mistakes={
            f"{IF} the largest logit is not taken off first": (
                lambda logits: logits.exp() / logits.exp().sum(dim=-1, keepdim=True)
            ),
            f"{IF} the largest logit of all rows is taken off, not that of each row": (
                lambda logits: (
                    (logits - logits.max()).exp()
                    / (logits - logits.max()).exp().sum(dim=-1, keepdim=True)
                )
            ),
            f"{IF} the sum runs along the first axis": lambda logits: logits.softmax(dim=0),
            f"{IF} one sum is taken over all rows": (
                lambda logits: logits.flatten().softmax(dim=0).view_as(logits)
            ),
            f"{IF} nothing is divided by the sum": (
                lambda logits: (logits - logits.amax(dim=-1, keepdim=True)).exp()
            ),
            "this is the logarithm of what is wanted": lambda logits: logits.log_softmax(dim=-1),
        },
    ),
    3: Judge(
        _attend,
        forbids=("matmul", "attention"),
        mistakes={
            f"{IF} the logits are not divided by √d_h": (
                lambda query, key, value: _attention(query, key, value, power=0)
            ),
            f"{IF} the logits are divided by d_h, not by √d_h": (
                lambda query, key, value: _attention(query, key, value, power=-1)
            ),
            f"{IF} the logits are multiplied by √d_h": (
                lambda query, key, value: _attention(query, key, value, power=0.5)
            ),
            f"{IF} the logits are divided by the root of the number of tokens, not by √d_h": (
                lambda query, key, value: _attention(
                    query / key.shape[-2] ** 0.5, key, value, power=0
                )
            ),
            f"{IF} the softmax runs over the queries": (
                lambda query, key, value: _attention(query, key, value, dim=-2)
            ),
            f"{IF} the scale is applied after the softmax": (
                lambda query, key, value: (
                    _attention(query, key, value, power=0) / query.shape[-1] ** 0.5
                )
            ),
            f"{IF} the weights of a query are not divided by their sum": (
                lambda query, key, value: (query @ key.mT / query.shape[-1] ** 0.5).exp() @ value
            ),
        },
    ),
    5: Judge(
        _previous_share,
        mistakes={
            f"{IF} the first word and [SEP] are counted too": (
                lambda weights: weights.diagonal(-1, -2, -1).mean(dim=-1)
            ),
            f"{IF} the first word is counted too": (
                lambda weights: weights.diagonal(-1, -2, -1)[..., :-1].mean(dim=-1)
            ),
            f"{IF} [SEP] is counted too": (
                lambda weights: weights.diagonal(-1, -2, -1)[..., 1:].mean(dim=-1)
            ),
            f"{IF} the second word is left out too: the diagonal begins at the first word": (
                lambda weights: weights.diagonal(-1, -2, -1)[..., 2:-1].mean(dim=-1)
            ),
            "this is the diagonal above the main one: a row is a query, a column a key": (
                lambda weights: weights.diagonal(1, -2, -1)[..., 1:-1].mean(dim=-1)
            ),
            "this is the weight of each token on itself": (
                lambda weights: weights.diagonal(0, -2, -1)[..., 2:-1].mean(dim=-1)
            ),
            "this is the sum, not the mean": (
                lambda weights: weights.diagonal(-1, -2, -1)[..., 1:-1].sum(dim=-1)
            ),
        },
    ),
    # Right and wrong answers come in any length and number of features, so none equals a mistake
    # that is written down here: the judge looks where the tokens look.
    6: Judge(_look_back),
    7: Judge(
        _additivity,
        mistakes={
            "this adds the lengths of the displacements; add the vectors": (
                lambda joint, single: (
                    joint.norm(dim=-1) / single.norm(dim=-1).sum(dim=0),
                    _compared(joint, single.sum(dim=0))[1],
                )
            ),
            f"{IF} the vectors of the heads are averaged, not added": (
                lambda joint, single: _compared(joint, single.mean(dim=0))
            ),
            "the two are exchanged: first the ratio, then the cosine": (
                lambda joint, single: _compared(joint, single.sum(dim=0))[::-1]
            ),
            "this is the ratio upside down": (
                lambda joint, single: _compared(single.sum(dim=0), joint)
            ),
            f"{IF} the dot product is not divided by the lengths": (
                lambda joint, single: (
                    _compared(joint, single.sum(dim=0))[0],
                    (joint * single.sum(dim=0)).sum(dim=-1),
                )
            ),
            f"{IF} the sentences are averaged first": (
                lambda joint, single: _compared(joint.mean(dim=0), single.sum(dim=0).mean(dim=0))
            ),
        },
    ),
}
