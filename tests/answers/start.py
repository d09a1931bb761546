"""Answers to the exercises of the first chapter: right, wrong and forbidden ones."""

from math import pi

import torch
from torch.nn import functional as F


def softmax(logits):
    grown = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return grown / grown.sum(dim=-1, keepdim=True)


def softmax_by_norm(logits):
    return F.normalize((logits - logits.amax(dim=-1, keepdim=True)).exp(), p=1, dim=-1)


def attend(query, key, value):
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1) @ value


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


def previous(weights, first=2, last=-2, step=-1):
    """The mean weight of rows `first` to `last` on the token `step` from them."""
    rows = range(first, weights.shape[-1] + last + 1)
    return torch.stack([weights[..., i, i + step] for i in rows]).mean(dim=0)


def around_a_circle(tokens, sharpness=3.0, turn=1):
    """Query and key are points on a circle; the query stands one position back."""
    angle = 2 * pi / tokens * torch.arange(tokens)
    key = torch.stack([angle.cos(), angle.sin()], dim=1)
    return sharpness * tokens**2 * key.roll(turn, 0), key


def along_a_parabola(tokens):
    """-(i - 1 - j)² up to what is the same for all keys: 2 (i - 1) j - j²."""
    position = torch.arange(tokens).double()
    query = torch.stack([2 * (position - 1), -torch.ones(tokens)], dim=1)
    return 10 * query, torch.stack([position, position**2], dim=1)


def one_hot(tokens):
    return 50 * torch.eye(tokens).roll(-1, 1), torch.eye(tokens)


def length(vectors):
    return vectors.square().sum(dim=-1).sqrt()


def additive(joint, single):
    added = sum(single)
    ratio = length(joint) / length(added)
    return ratio, (joint * added).sum(dim=-1) / length(joint) / length(added)


def additive_by_units(joint, single):
    added = torch.einsum("hsd->sd", single)
    cosine = F.normalize(joint, dim=1) * F.normalize(added, dim=1)
    return (joint.norm(dim=1) / added.norm(dim=1)), cosine.sum(dim=1)


RIGHT = {
    2: [softmax, softmax_by_norm],
    3: [by_sums, by_queries],
    5: [lambda w: w.diagonal(-1, -2, -1)[..., 1:-1].mean(-1), previous],
    6: [around_a_circle, along_a_parabola],
    7: [additive, additive_by_units],
}
WRONG = {
    2: [
        (lambda logits: None, "it returned nothing"),
        (lambda logits: logits.exp() / logits.exp().sum(dim=-1, keepdim=True), "not taken off"),
        (lambda logits: softmax(logits - logits.max()) * 1.1, "off by"),
        (lambda logits: softmax(logits)[None], "it has shape (1, 3, 4, 5)"),
        (lambda logits: softmax(logits).log(), "the logarithm"),
    ],
    3: [
        (lambda query, key, value: by_sums(query, key, value, scale=False), "not divided by √d_h"),
        (lambda query, key, value: by_sums(query, key, value, dim=-2), "over the queries"),
        (lambda query, key, value: by_sums(query / 2, key, value), "by d_h, not by √d_h"),
        (lambda query, key, value: by_sums(query, key, value, False) / 2, "after the softmax"),
        (lambda query, key, value: by_sums(key, query, key), "a number is off by"),
        (lambda query, key, value: by_sums(query / key.shape[-2] ** 0.5, key, value, scale=False),
         "of the number of tokens"),
        (lambda query, key, value: by_sums(query / query.shape[-2] ** 0.5, key, value, scale=False),
         "of the number of tokens"),
    ],
    5: [
        (lambda w: previous(w, first=1, last=-1), "the first word and [SEP]"),
        (lambda w: previous(w, first=1), "if the first word is counted"),
        (lambda w: previous(w.mT), "a row is a query"),
        (lambda w: previous(w, step=0), "on itself"),
        (lambda w: w.diagonal(-1, -2, -1)[..., 2:-1].mean(-1), "second word is left out"),
        (lambda w: previous(w) * (w.shape[-1] - 3), "the sum, not the mean"),
    ],
    6: [
        (one_hot, "it takes 16 features, at most 8"),
        (lambda tokens: around_a_circle(tokens, turn=-1), "most look at the next token"),
        (lambda tokens: around_a_circle(tokens, turn=0), "most look at themselves"),
        (lambda tokens: around_a_circle(tokens, sharpness=0.01), "not sharply enough"),
        (lambda tokens: around_a_circle(tokens)[0], "it is to return a query and a key"),
    ],
    7: [
        (lambda joint, single: (length(joint) / length(single).sum(0), additive(joint, single)[1]),
         "add the vectors"),
        (lambda joint, single: additive(joint, single / len(single)), "averaged, not added"),
        (lambda joint, single: additive(single.sum(dim=0), joint[None]), "upside down"),
        (lambda joint, single: additive(joint.mean(0), single.mean(1)), "averaged first"),
        (lambda joint, single: additive(joint, single)[::-1], "exchanged"),
        (lambda joint, single: additive(joint, single)[0], "two tensors"),
    ],
}  # fmt: skip
FORBIDDEN = {
    2: [
        (lambda logits: logits.softmax(dim=-1), "uses softmax"),
        (lambda logits: (logits - logits.logsumexp(dim=-1, keepdim=True)).exp(), "uses logsumexp"),
    ],
    3: [(attend, "uses matmul"), (F.scaled_dot_product_attention, "uses attention")],
}
