"""Spatial attention, as its authors compute it."""

from math import inf

import torch.nn.functional as F

from attention_lib.spatial import ClassSpecificResidualAttention, CoordinateAttention
from tests.support.official import Case, batch_norm, conv, layer, normed


def coordinate(weights, x):
    rows, columns = x.mean(dim=3, keepdim=True), x.mean(dim=2, keepdim=True)
    f_rows, f_columns = (
        F.hardswish(normed(weights, "bn1", conv(weights, "conv1", each)))
        for each in (rows, columns)
    )
    gates = conv(weights, "conv_h", f_rows).sigmoid() * conv(weights, "conv_w", f_columns).sigmoid()
    return gates * x


def class_specific(weights, x):
    logits = 0
    for head, temperature in enumerate((1, 2, 4, 99)):
        weight = weights[f"multi_head.{head}.head.weight"]
        scores = F.conv2d(x, weight / weight.norm(dim=1, keepdim=True)).flatten(2)
        shares = (temperature * scores).softmax(dim=2)
        attended = scores.amax(dim=2) if temperature == 99 else (shares * scores).sum(dim=2)
        logits = logits + scores.mean(dim=2) + 0.3 * attended
    return logits


CASES = [
    Case(
        "houqb/CoordAttention",
        CoordinateAttention(12),
        layer("conv1", 8, 12, 1, 1)
        | batch_norm("bn1", 8)
        | layer("conv_h", 12, 8, 1, 1)
        | layer("conv_w", 12, 8, 1, 1),
        coordinate,
        ((2, 12, 5, 4),),
        dispensable=r"^conv1\.bias$",  # an answer does, but a convolution may have none
    ),
    Case(
        "Kevinz-code/CSRA",
        ClassSpecificResidualAttention(12, 3, temperatures=(1.0, 2.0, 4.0, inf), lam=0.3),
        {f"multi_head.{head}.head.weight": (3, 12, 1, 1) for head in range(4)},
        class_specific,
        ((2, 12, 5, 4),),
    ),
]
