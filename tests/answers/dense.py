"""Answers to the exercises on dense attention: right and wrong ones."""

import torch
from torch.nn import functional as F

from attention_lib.dense import MultiHeadAttention
from attention_lib.measure.cost import measure


def by_counting(n, m, d):
    with torch.device("meta"):
        return measure(MultiHeadAttention(d, 1), torch.zeros(1, n, d), torch.zeros(1, m, d)).macs


def allowed(query, real):
    return torch.ones(query.shape[1], query.shape[1]).tril().bool() & real[:, None]


def by_fused(query, key, value, real):
    return F.scaled_dot_product_attention(query, key, value, allowed(query, real))


def by_powers(query, key, value, real):
    logits = query @ key.mT / query.shape[-1] ** 0.5
    powers = (logits - logits.amax(-1, keepdim=True)).exp() * allowed(query, real)
    return powers @ value / powers.sum(-1, keepdim=True).clamp_min(1e-300)


def unscaled(query, key, value, real):
    return by_powers(query * query.shape[-1] ** 0.5, key, value, real)


def by_softmax(query, key, value, real, hidden=-torch.inf):
    logits = query @ key.mT / query.shape[-1] ** 0.5
    return logits.masked_fill(~allowed(query, real), hidden).softmax(-1) @ value


def nan_to_zero(query, key, value, real):
    logits = query @ key.mT / query.shape[-1] ** 0.5
    hidden = torch.zeros(1).double().masked_fill(~allowed(query, real), -torch.inf)
    return ((logits + hidden).softmax(-1) @ value).nan_to_num(0.0)


def merge(one, two):
    largest = torch.maximum(one[0], two[0])
    shrink = [(part[0] - largest).exp() for part in (one, two)]
    pairs = list(zip(shrink, (one, two), strict=True))
    return largest, sum(s * p[1] for s, p in pairs), sum(s * p[2] for s, p in pairs)


def merge_by_powers(one, two):
    largest = torch.maximum(one[0], two[0])
    sums = (one[0].exp() * a + two[0].exp() * b for a, b in zip(one[1:], two[1:], strict=True))
    return largest, *(each / largest.exp() for each in sums)


def merge_by_logarithms(one, two):
    whole = torch.logaddexp(*(m + s.log() for m, s, _ in (one, two)))
    largest = torch.maximum(one[0], two[0])
    total = (whole - largest).exp()
    return largest, total, sum((m - largest).exp() * a for m, _, a in (one, two))


RIGHT = {
    2: [
        lambda n, m, d: 2 * n * d * d + 2 * m * d * d + 2 * n * m * d,
        lambda n, m, d: 2 * d * ((n + m) * d + n * m),
    ],
    3: [by_fused, by_powers],
    5: [merge, merge_by_logarithms],
}
WRONG = {
    2: [
        (lambda n, m, d: None, "it returned nothing"),
        (lambda n, m, d: 4 * n * d * d + 2 * n * m * d, "made of the tokens"),
        (lambda n, m, d: 2 * d * d * (n + m) + n * m * d, "nothing is gathered"),
        (lambda n, m, d: n * d * d + 2 * m * d * d + 2 * n * m * d, "the output is forgotten"),
        (lambda n, m, d: 4 * d * ((n + m) * d + n * m), "a multiply-add is two"),
        (lambda n, m, d: 2 * n * d * (2 * d + n), "the others are ignored"),
        (lambda n, m, d: d * d * (2 * n + m) + 2 * n * m * d, "one projection"),
    ],
    3: [
        (by_softmax, "logits that are all -inf"),
        (lambda *given: by_softmax(*given, hidden=-1e9), "averages all"),
        (nan_to_zero, "the answer is finite, but its gradient is not"),
        (lambda q, k, v, real: by_powers(q, k, v, torch.ones_like(real)), "padding is not"),
        (unscaled, "not divided by √d_h"),
        (lambda q, k, v, real: by_powers(q, k, v, real) * real[..., None],
         "padding gathers nothing"),
    ],
    5: [
        (lambda one, two: merge(one, two)[1:], "it is to return the largest logit"),
        (lambda one, two: (torch.maximum(one[0], two[0]), one[1] + two[1], one[2] + two[2]),
         "without being brought to one largest logit"),
        (lambda one, two: (*merge(one, two)[:2], one[2] + two[2]), "the weighted sums do not"),
        (merge_by_powers, "nan or inf came out: an exponential overflowed"),
        (lambda one, two: (*merge(one, two)[:2], merge(one, two)[2] / merge(one, two)[1]),
         "not the state"),
    ],
}  # fmt: skip
FORBIDDEN = {2: [(by_counting, "uses matmul")]}
