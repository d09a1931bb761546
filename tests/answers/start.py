"""Answers to the exercises of the first chapter: two right and three wrong ones each."""

from math import pi

import torch
from torch.nn import functional as F


def softmax(logits):
    grown = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return grown / grown.sum(dim=-1, keepdim=True)


def attend(query, key, value, scale=True, dim=-1):
    logits = query @ key.transpose(-1, -2)
    return (logits / query.shape[-1] ** 0.5 if scale else logits).softmax(dim) @ value


def around_a_circle(tokens, sharpness=3.0, turn=1):
    """Query and key are places on a circle; the query stands one place back."""
    angle = 2 * pi / tokens * torch.arange(tokens)
    key = torch.stack([angle.cos(), angle.sin()], dim=1)
    return sharpness * tokens**2 * key.roll(turn, 0), key


def along_a_parabola(tokens):
    """-(i - 1 - j)² up to what is the same for all keys: 2 (i - 1) j - j²."""
    place = torch.arange(tokens).double()
    query = torch.stack([2 * (place - 1), -torch.ones(tokens)], dim=1)
    return 10 * query, torch.stack([place, place**2], dim=1)


def one_hot(tokens):
    return 50 * torch.eye(tokens).roll(-1, 1), torch.eye(tokens)


RIGHT = {
    2: [softmax, lambda logits: (logits - logits.logsumexp(dim=-1, keepdim=True)).exp()],
    3: [attend, F.scaled_dot_product_attention],
    5: [
        lambda w: w.diagonal(-1, -2, -1)[..., 1:-1].mean(-1),
        lambda w: sum(w[..., i, i - 1] for i in range(2, w.shape[-1] - 1)) / (w.shape[-1] - 3),
    ],
    6: [around_a_circle, along_a_parabola],
}
WRONG = {
    2: [
        lambda logits: None,
        lambda logits: logits.exp() / logits.exp().sum(dim=-1, keepdim=True),  # overflows
        lambda logits: logits.softmax(dim=0),
    ],
    3: [
        lambda query, key, value: None,
        lambda query, key, value: attend(query, key, value, scale=False),
        lambda query, key, value: attend(query, key, value, dim=-2),
    ],
    5: [
        lambda w: w.diagonal(-1, -2, -1).mean(-1),  # counts [CLS] and [SEP]
        lambda w: w.diagonal(1, -2, -1)[..., 1:-1].mean(-1),  # the next token
        lambda w: w.diagonal(-1, -2, -1)[..., 1:-1].sum(-1),
    ],
    6: [
        one_hot,  # too many features
        lambda tokens: around_a_circle(tokens, turn=-1),
        lambda tokens: around_a_circle(tokens, sharpness=0.01),
    ],
}
