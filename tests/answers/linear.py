"""Answers to the exercises on linear attention: right, wrong and forbidden ones."""

import torch
from torch.nn import functional as F


def cheaper_by_trial(key_size, value_size):
    n = 1
    while n * (key_size + value_size) <= 2 * key_size * value_size:
        n += 1
    return n


def shares_by_logarithms(logits):
    return logits.log_softmax(dim=0).softmax(dim=1)


def shares_by_hand(logits):
    logs = logits - logits.logsumexp(dim=0)
    powers = (logs - logs.amax(dim=1, keepdim=True)).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def shares_naive(logits):
    shares = logits.softmax(dim=0)
    return shares / (shares.sum(dim=1, keepdim=True) + 1e-9)


def running_in_a_loop(query, key, value):
    state, total, read = 0, 0, []
    for q, k, v in zip(query, key, value, strict=True):
        state, total = state + torch.outer(k, v), total + k
        read.append(q @ state / (q @ total))
    return torch.stack(read)


def running_by_cumulation(query, key, value):
    states = (key[:, :, None] * value[:, None, :]).cumsum(dim=0)
    above = (query[:, :, None] * states).sum(dim=1)
    return above / (query * key.cumsum(dim=0)).sum(dim=1, keepdim=True)


def running_one_late(query, key, value):
    state = total = torch.zeros(())
    read = []
    for q, k, v in zip(query, key, value, strict=True):
        read.append((q @ state if state.ndim else 0 * v) / (q * total).sum())
        state, total = state + torch.outer(k, v), total + k
    return torch.stack(read)


def everything(query, key, value):
    return query @ (key.T @ value) / (query @ key.sum(dim=0))[:, None]


def mean_by_running_maximum(key, value):
    top = key[0] * 0 - torch.inf
    above = below = key[0] * 0
    read = []
    for k, v in zip(key, value, strict=True):
        new = torch.maximum(top, k)
        old, now = (top - new).exp(), (k - new).exp()
        top, above, below = new, above * old + now * v, below * old + now
        read.append(above / below)
    return torch.stack(read)


def mean_by_logarithms(key, value):
    total = key.logcumsumexp(dim=0)
    ago = torch.arange(len(key))
    logs = (key[None] - total[:, None]).masked_fill((ago[:, None] < ago)[..., None], -torch.inf)
    return (logs.exp() * value[None]).sum(dim=1)


def mean_by_largest_of_all(key, value):
    power = (key - key.amax(dim=0)).exp()
    return (power * value).cumsum(dim=0) / power.cumsum(dim=0)


def mean_with_old_sums(key, value):
    """The largest key so far is taken off, and the sums stay as they are when it rises."""
    top, above, below, read = key[0] * 0 - torch.inf, 0, 0, []
    for k, v in zip(key, value, strict=True):
        top = torch.maximum(top, k)
        above, below = above + (k - top).exp() * v, below + (k - top).exp()
        read.append(above / below)
    return torch.stack(read)


def by_pairs(query, key, value):
    weights = (query @ key.T).tril()
    return weights @ value / weights.sum(dim=1, keepdim=True)


def running_undivided(query, key, value):
    state, read = 0, []
    for q, k, v in zip(query, key, value, strict=True):
        state = state + k[:, None] * v
        read.append(q @ state)
    return torch.stack(read)


def positive(x):
    return torch.where(x > 0, x + 1, x.exp())


def fading_by_state(query, key, value, strength, kept=0.9, faded=None, along=1):
    """The state, and `faded` in place of `kept` for the sum of the keys."""
    state = total = 0
    read = []
    for q, k, v in zip(*(x.unbind(along) for x in (query, key, value)), strict=True):
        q, k = positive(q), positive(k)
        state = kept * state + k[:, :, None] * v[:, None]
        total = (kept if faded is None else faded) * total + k
        read.append((q[:, None] @ state)[:, 0] / (q * total).sum(dim=1, keepdim=True))
    return torch.stack(read, dim=along)


def fading_by_pairs(query, key, value, strength, kept=0.9):
    rows = []
    for i in range(query.shape[1]):
        weights = (positive(query[:, i, None]) * positive(key[:, : i + 1])).sum(dim=-1)
        weights = weights * torch.tensor([kept ** (i - j) for j in range(i + 1)])
        above = (weights[..., None] * value[:, : i + 1]).sum(dim=1)
        rows.append(above / (weights.sum(dim=1, keepdim=True) + 1e-6))
    return torch.stack(rows, dim=1)


RIGHT = {
    1: [lambda: ([7, 16], [3, 4], 3.29), lambda: ([[7], [16]], torch.tensor([3, 4]), [23 / 7])],
    2: [cheaper_by_trial, lambda k, v: 2 * k * v // (k + v) + 1],
    3: [shares_by_logarithms, shares_by_hand],
    4: [running_in_a_loop, running_by_cumulation],
    6: [mean_by_running_maximum, mean_by_logarithms],
    7: [fading_by_state, fading_by_pairs],
}
FORBIDDEN = {4: [(by_pairs, "it makes a tensor of shape (40, 40)")]}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: ([[3], [4]], torch.tensor([3, 4]), 1), "values are missing"),
        (lambda: ([7, 16], [3, 4], 23), "not divided by the sum of the weights"),
        (lambda: ([11, 8], [3, 4], 2.71), "the other's value"),
        (lambda: ([7, 16], [7, 16], 3.29), "z is not [7, 16]"),
    ],
    2: [
        (lambda k, v: None, "returned nothing"),
        (lambda k, v: k + 1, "the same size"),
        (lambda k, v: 2 * k * v // (k + v), "the two sides cost the same"),
        (lambda k, v: k * v // (k + v) + 1, "one of the two products on the right"),
        (lambda k, v: k * v, "it is 65, not 4096"),
    ],
    3: [
        (lambda logits: None, "returned nothing"),
        (shares_naive, "small number in the divisor"),
        (lambda logits: logits.softmax(dim=1), "over the slots alone"),
        (lambda logits: shares_by_hand(logits.T).T, "over the slots first"),
        (lambda logits: logits.softmax(dim=0).softmax(dim=1), "softmax of the shares"),
    ],
    4: [
        (lambda query, key, value: None, "returned nothing"),
        (running_one_late, "not read itself"),
        (everything, "also those behind it"),
        (running_undivided, "nothing is divided"),
        (lambda query, key, value: running_in_a_loop(query, key, value).T, "it has shape (5, 40)"),
    ],
    6: [
        (lambda key, value: None, "returned nothing"),
        (mean_by_largest_of_all, "early sums vanish"),
        (
            lambda key, value: (key.exp() * value).cumsum(dim=0) / key.exp().cumsum(dim=0),
            "overflows",
        ),
        (mean_with_old_sums, "not scaled down"),
        (lambda key, value: mean_by_logarithms(-key, value), "a number is off"),
    ],
    7: [
        (lambda query, key, value, strength, kept=0.9: None, "returned nothing"),
        (
            lambda query, key, value, strength, kept=0.9: fading_by_state(
                query, key, value, strength, 1.0
            ),
            "nothing fades",
        ),
        (
            lambda query, key, value, strength, kept=0.9: fading_by_state(
                query, key, value, strength, kept, 1.0
            ),
            "z does not fade",
        ),
        (
            lambda query, key, value, strength, kept=0.9: fading_by_state(
                query, key, value, strength, kept, along=0
            ),
            "the samples of the batch",
        ),
        (
            lambda query, key, value, strength, kept=0.9: F.normalize(
                fading_by_state(query, key, value, strength, kept), dim=-1
            ),
            "a number is off",
        ),
    ],
}
