"""Sparse attention, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.sparse import AxialAttention, CrissCrossAttention, OutlookAttention
from tests.support.official import Case, conv, layer, linear


def axial(weights, x):
    """Along the width."""
    query, key, value = (
        (x.permute(0, 2, 3, 1) @ weights[f"{name}/w"] + weights[f"{name}/b"]).unflatten(3, (3, -1))
        for name in "qkv"
    )
    logits = torch.einsum("bijhd,biuhd->biujh", query, key) / query.shape[-1] ** 0.5
    gathered = torch.einsum("biujh,biuhd->bijhd", logits.softmax(dim=2), value).flatten(3)
    return (gathered @ weights["proj_out/w"] + weights["proj_out/b"]).permute(0, 3, 1, 2)


def criss_cross(weights, x):
    """All pairs of pixels, of which those off the cross are hidden."""
    _, _, height, width = x.shape
    for _ in range(2):
        query, key, value = (
            conv(weights, f"{name}_conv", x).flatten(2) for name in ("query", "key", "value")
        )
        row = torch.arange(height).repeat_interleave(width)
        column = torch.arange(width).repeat(height)
        crossing = (row[:, None] == row) | (column[:, None] == column)
        logits = (query.mT @ key).masked_fill(~crossing, -torch.inf)
        gathered = value @ logits.softmax(dim=-1).mT
        x = weights["gamma"] * gathered.unflatten(2, (height, width)) + x
    return x


def outlook(weights, x):
    batch, channels, height, width = x.shape
    window = dict(kernel_size=3, padding=1, stride=2)
    tokens = x.permute(0, 2, 3, 1)  # theirs has the channels last
    value = F.unfold(linear(weights, "v", tokens).permute(0, 3, 1, 2), **window)
    value = value.reshape(batch, 2, channels // 2, 9, -1).permute(0, 1, 4, 3, 2)
    pooled = F.avg_pool2d(x, 2, 2, ceil_mode=True).permute(0, 2, 3, 1)
    logits = linear(weights, "attn", pooled).reshape(batch, -1, 2, 9, 9).transpose(1, 2)
    shares = (logits * (channels // 2) ** -0.5).softmax(dim=-1)
    gathered = (shares @ value).permute(0, 1, 4, 3, 2).reshape(batch, channels * 9, -1)
    y = F.fold(gathered, (height, width), **window)
    return linear(weights, "proj", y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


CASES = [
    Case(
        "google-research/google-research",
        AxialAttention(12, heads=3, axes=(-1,), bias=True),
        {f"{name}/w": (12, 12) for name in ("q", "k", "v", "proj_out")}
        | {f"{name}/b": (12,) for name in ("q", "k", "v", "proj_out")},
        axial,
        ((2, 12, 5, 4),),
    ),
    Case(
        "speedinghzl/CCNet",
        CrissCrossAttention(8),
        layer("query_conv", 1, 8, 1, 1)
        | layer("key_conv", 1, 8, 1, 1)
        | layer("value_conv", 8, 8, 1, 1)
        | {"gamma": (1,)},
        criss_cross,
        ((2, 8, 5, 4),),
        dispensable=r"^key_conv\.bias$",
    ),
    Case(
        "sail-sg/volo",
        OutlookAttention(12, heads=2, stride=2),
        layer("v", 12, 12, bias=False) | layer("attn", 2 * 81, 12) | layer("proj", 12, 12),
        outlook,
        ((2, 12, 7, 5),),
    ),
]
