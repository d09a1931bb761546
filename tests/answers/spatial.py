"""Answers to the exercises on spatial attention: right, wrong and forbidden ones."""

import torch
from torch import nn

from attention_lib.spatial import CoordinateAttention


def coordinate_size(channels, hidden):
    return 3 * channels * hidden + 2 * hidden + 2 * channels


def sge_by_einsum(x, groups, scale, shift):
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, groups, channels // groups, height * width)
    alike = torch.einsum("bgc,bgcn->bgn", parts.mean(-1), parts)
    var, mean = torch.var_mean(alike, dim=-1, correction=0, keepdim=True)
    likeness = (alike - mean) / (var.sqrt() + 1e-5)
    gate = scale.view(1, -1, 1) * likeness + shift.view(1, -1, 1)
    return gate.sigmoid().reshape(batch, groups, height, width)


def sge_by_group(x, groups, scale, shift, order=0, last=torch.sigmoid):
    gates = []
    for part, gamma, beta in zip(x.chunk(groups, dim=1), scale, shift, strict=True):
        alike = (part * part.mean(dim=(2, 3), keepdim=True)).sum(dim=1)
        alike = alike - alike.mean(dim=(1, 2), keepdim=True)
        deviation = alike.std(dim=(1, 2), correction=order, keepdim=True)
        gates.append(last(gamma * alike / (deviation + 1e-5) + beta))
    return torch.stack(gates, dim=1)


def sge_by_cosine(x, groups, scale, shift):
    parts = x.unflatten(1, (groups, -1)).flatten(3)
    alike = torch.cosine_similarity(parts, parts.mean(dim=-1, keepdim=True), dim=2)
    return sge_from(alike, scale, shift, order=0.5).view(-1, groups, *x.shape[2:])


def sge_by_variance(x, groups, scale, shift):
    parts = x.unflatten(1, (groups, -1)).flatten(3)
    alike = (parts * parts.mean(dim=-1, keepdim=True)).sum(dim=2)
    return sge_from(alike, scale, shift, order=1).view(-1, groups, *x.shape[2:])


def sge_from(alike, scale, shift, order):
    centred = alike - alike.mean(dim=-1, keepdim=True)
    likeness = centred / (centred.square().mean(dim=-1, keepdim=True) ** order + 1e-5)
    return (scale[:, None] * likeness + shift[:, None]).sigmoid()


def attended_by_exp(scores, temperature):
    weights = (temperature * (scores - scores.amax(dim=-1, keepdim=True))).exp()
    return (weights * scores).sum(dim=-1) / weights.sum(dim=-1)


def attended_by_row(scores, temperature):
    answers = []
    for row in scores:
        logits = temperature * row
        answers.append(((logits - logits.logsumexp(dim=0)).exp() * row).sum())
    return torch.stack(answers)


def by_rows(forward):
    class RowsAlone(CoordinateAttention):
        pass

    RowsAlone.forward = forward
    return RowsAlone


class RowsByLayers(CoordinateAttention):
    def forward(self, x):
        both = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)
        rows = self.squash(both)[:, :, : x.shape[2]]
        return torch.einsum("bch,bchw->bchw", self.excite_rows(rows).sigmoid(), x)


RIGHT = {
    1: [
        lambda: ([-1, 1], [0.269, 0.731]),
        lambda: (torch.tensor([[-1.0, 1.0]]), torch.tensor([0.27, 0.73])),
    ],
    2: [
        lambda channels, r, least: coordinate_size(channels, max(least, channels // r)),
        lambda channels, r, least: sum(
            p.numel() for p in CoordinateAttention(channels, r, least).parameters()
        ),
    ],
    3: [lambda a, d, b: a * d / b, lambda a, d, b: torch.tensor(a) * d / b],
    4: [sge_by_einsum, sge_by_group],
    5: [attended_by_exp, attended_by_row],
    6: [
        lambda: ([True] * 4, [True, True, False, False]),
        lambda: (torch.ones(4), torch.tensor([1, 1, 0, 0])),
    ],
    7: [by_rows(lambda self, x: self.row_gate(x)[..., None] * x), RowsByLayers],
}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: ([-0.71, 0.71], [0.33, 0.67]), "divides by one place less"),
        (lambda: ([-1, 1], [-1, 1]), "without σ"),
        (lambda: ([1, 3], [0.73, 0.95]), "not taken off"),
        (lambda: ([2, 6], [0.88, 1.0]), "these are the products"),
        (lambda: ([1, -1], [0.73, 0.27]), "the likeness t is not [1, -1]"),
    ],
    2: [
        (lambda channels, r, least: None, "returned nothing"),
        (lambda channels, r, least: coordinate_size(channels, channels // r), "least width"),
        (
            lambda channels, r, least: (
                coordinate_size(channels, max(least, channels // r)) + max(least, channels // r)
            ),
            "bias before the normalisation",
        ),
        (
            lambda channels, r, least: (
                coordinate_size(channels, max(least, channels // r)) - 2 * channels
            ),
            "no biases",
        ),
        (lambda channels, r, least: 3 * channels * max(channels // r, least), "matrices alone"),
        (
            lambda channels, r, least: coordinate_size(channels, max(least, channels / r)),
            "a whole number",
        ),
        (lambda channels, r, least: 3 * channels * least, "it is 6,672, not 6144"),
    ],
    3: [
        (lambda a, d, b: None, "returned nothing"),
        (lambda a, d, b: 0.0, "fix it"),
        (lambda a, d, b: b, "symmetric"),
        (lambda a, d, b: a + d - b, "adds where the gates multiply"),
        (lambda a, d, b: min(a, d), "it is 0.9600, not 0.8"),
    ],
    4: [
        (lambda x, groups, scale, shift: None, "returned nothing"),
        (lambda *given: sge_by_group(*given, last=torch.clone), "without σ"),
        (
            lambda x, groups, scale, shift: sge_by_einsum(x, groups, scale, shift).flatten(2),
            "it has shape (2, 3, 20)",
        ),
        (
            lambda x, groups, scale, shift: sge_by_einsum(
                nn.functional.normalize(x.unflatten(1, (groups, -1)), dim=2).flatten(1, 2),
                groups,
                scale,
                shift,
            ),
            "a number is off",
        ),
        (lambda *given: sge_by_group(*given, order=1).nan_to_num(0.5), "one place less"),
        (sge_by_cosine, "cosine"),
        (sge_by_variance, "variance"),
    ],
    5: [
        (lambda scores, t: None, "returned nothing"),
        (
            lambda scores, t: ((t * scores).exp() * scores).sum(-1) / (t * scores).exp().sum(-1),
            "exp of a large number is infinite",
        ),
        (
            lambda scores, t: attended_by_exp(scores, t) - scores.amax(-1),
            "missing from the answer",
        ),
        (
            lambda scores, t: ((t * (scores - scores.amax(-1, keepdim=True))).exp() * scores).sum(
                -1
            ),
            "divided by their sum",
        ),
        (lambda scores, t: attended_by_exp(scores, 1 / t), "T divides"),
        (lambda scores, t: scores.amax(-1), "the maximum"),
        (lambda scores, t: attended_by_exp(scores, t)[:, None], "it has shape (3, 1)"),
    ],
    6: [
        (lambda: None, "returned nothing"),
        (lambda: ([1, 1, 1, 1], [1, 1, 1, 1]), "follows all"),
        (lambda: ([1, 1, 1, 1], [1, 1, 0, 1]), "which of them share a row"),
        (lambda: ([1, 1, 0, 0], [1, 1, 1, 1]), "swapped"),
        (lambda: ([1, 1, 0, 0], [1, 1, 0, 0]), "do not know the order"),
        (lambda: ([1, 1, 1], [1, 1, 0]), "SpatialGroupEnhance has 4 numbers, not 3"),
    ],
    7: [
        (by_rows(lambda self, x: None), "forward returned nothing"),
        (by_rows(lambda self, x: self.column_gate(x)[..., None, :] * x), "columns' gates"),
        (by_rows(lambda self, x: self.row_gate(x)[..., None] + x), "adds the gate"),
        (by_rows(lambda self, x: self.row_gate(x)[:, :, None] * x), "laid on a column"),
        (
            by_rows(
                lambda self, x: self.row_gate(x)[..., None] * self.column_gate(x)[:, :, None] * x
            ),
            "both gates",
        ),
        (by_rows(lambda self, x: self.row_gate(x)[..., None].expand_as(x)), "a number is off"),
    ],
}


def attended_by_softmax(scores, temperature):
    return ((temperature * scores).softmax(dim=-1) * scores).sum(dim=-1)


FORBIDDEN = {5: [(attended_by_softmax, "uses softmax")]}
