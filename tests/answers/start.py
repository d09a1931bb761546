"""Answers to the exercises of the first chapter: two right and three wrong ones each."""

from math import pi

import torch
from torch.nn import functional as F


def softmax(logits):
    grown = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return grown / grown.sum(dim=-1, keepdim=True)


def by_logarithms(logits):
    lower = logits - logits.amax(dim=-1, keepdim=True)
    return (lower - lower.exp().sum(dim=-1, keepdim=True).log()).exp()


def attend(query, key, value, scale=True, dim=-1):
    logits = query @ key.transpose(-1, -2)
    return (logits / query.shape[-1] ** 0.5 if scale else logits).softmax(dim) @ value


def by_sums(query, key, value, scale=True, dim=-1):
    logits = (query[..., :, None, :] * key[..., None, :, :]).sum(dim=-1)
    weights = (logits / query.shape[-1] ** 0.5 if scale else logits).softmax(dim)
    return (weights[..., None] * value[..., None, :, :]).sum(dim=-2)


def by_queries(query, key, value):
    answers = []
    for one in query.unbind(dim=-2):
        logits = (one[..., None, :] * key).sum(dim=-1) * query.shape[-1] ** -0.5
        answers.append((logits.softmax(dim=-1)[..., None] * value).sum(dim=-2))
    return torch.stack(answers, dim=-2)


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
    2: [softmax, by_logarithms],
    3: [by_sums, by_queries],
    5: [
        lambda w: w.diagonal(-1, -2, -1)[..., 1:-1].mean(-1),
        lambda w: sum(w[..., i, i - 1] for i in range(2, w.shape[-1] - 1)) / (w.shape[-1] - 3),
    ],
    6: [around_a_circle, along_a_parabola],
}
FORBIDDEN = {
    2: [
        (lambda logits: logits.softmax(dim=-1), "uses softmax"),
        (lambda logits: (logits - logits.logsumexp(dim=-1, keepdim=True)).exp(), "uses logsumexp"),
    ],
    3: [(attend, "uses matmul"), (F.scaled_dot_product_attention, "uses attention")],
}
WRONG = {
    2: [
        (lambda logits: None, "it returned nothing"),
        (lambda logits: logits.exp() / logits.exp().sum(dim=-1, keepdim=True), "not taken off"),
        (lambda logits: softmax(logits.mT).mT if logits.ndim > 1 else softmax(logits), "off by"),
        (lambda logits: softmax(logits)[None], "it has shape (1, 3, 4, 5)"),
        (lambda logits: softmax(logits).log(), "the logarithm"),
    ],
    3: [
        (lambda query, key, value: by_sums(query, key, value, scale=False), "not divided by √d"),
        (lambda query, key, value: by_sums(query, key, value, dim=-2), "over the queries"),
        (lambda query, key, value: by_sums(query / 2, key, value), "divided by d,"),
        (lambda query, key, value: by_sums(query, key, value, False) / 2, "after the softmax"),
        (lambda query, key, value: by_queries(query, key, value)[..., :1], "it has shape"),
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
