"""Sparse attention, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.sparse import (
    AxialAttention,
    CrissCrossAttention,
    DeformableAttention,
    LongShortDistanceAttention,
    OutlookAttention,
)
from tests.support.official import Case, conv, layer, layer_normed, linear, norm


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


def long_distance(weights, x):
    """2 × 2 groups of 3 × 3 pixels that interleave."""
    side = torch.arange(3).double()
    place = torch.cartesian_prod(side, side)
    bias = linear(weights, "pos.pos_proj", place[:, None] - place)
    for part in ("pos.pos1", "pos.pos2", "pos.pos3"):
        bias = linear(weights, f"{part}.2", layer_normed(weights, f"{part}.0", bias).relu())
    y = torch.zeros_like(x)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        joined = linear(weights, "qkv", x[..., i::2, j::2].flatten(2).mT).unflatten(-1, (3, 3, -1))
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        logits = query * query.shape[-1] ** -0.5 @ key.mT + bias.permute(2, 0, 1)
        gathered = (logits.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        y[..., i::2, j::2] = linear(weights, "proj", gathered).mT.unflatten(2, (3, 3))
    return y


def deformable(weights, x):
    """Two groups of two heads; rows and columns are counted from -1 to 1."""
    batch, channels, height, width = x.shape

    def centres(size):
        return (torch.arange(size, dtype=x.dtype) + 0.5) / (size - 1) * 2 - 1

    def sampled(maps, places):
        return F.grid_sample(maps, places.flip(-1), align_corners=True)

    query = conv(weights, "proj_q", x)
    around = query.reshape(batch * 2, channels // 2, height, width)
    kernel, bias = weights["conv_offset.0.weight"], weights["conv_offset.0.bias"]
    around = F.conv2d(around, kernel, bias, stride=2, padding=1, groups=channels // 2)
    around = layer_normed(weights, "conv_offset.1.norm", around.permute(0, 2, 3, 1))
    offset = linear(weights, "conv_offset.3", F.gelu(around))
    grid = torch.meshgrid(*(centres(size) for size in offset.shape[1:3]), indexing="ij")
    places = (torch.stack(grid, dim=-1) + offset).clamp(-1, 1)
    read = sampled(x.reshape(batch * 2, channels // 2, height, width), places)
    read = read.reshape(batch, channels, 1, -1)
    key, value = (conv(weights, name, read).reshape(batch, 4, -1, read.shape[3])
                  for name in ("proj_k", "proj_v"))  # fmt: skip
    logits = query.reshape(batch, 4, -1, height * width).mT @ key * (channels // 4) ** -0.5
    edges = [torch.linspace(-1, 1, size, dtype=x.dtype) for size in (height, width)]
    pixels = torch.cartesian_prod(*edges)
    steps = (pixels[:, None] - places.flatten(1, 2)[:, None]) / 2
    tables = weights["rpe_table"].repeat(batch, 1, 1, 1)
    tables = tables.reshape(batch * 2, 2, *tables.shape[2:])
    logits = logits + sampled(tables, steps).reshape(logits.shape)
    y = (value @ logits.softmax(dim=-1).mT).reshape(x.shape)
    return conv(weights, "proj_out", y)


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
        "cheerss/CrossFormer",
        LongShortDistanceAttention(12, heads=3, group_size=3, interval=2, bias=True, hidden=4),
        layer("pos.pos_proj", 4, 2)
        | norm("pos.pos1.0", 4)
        | layer("pos.pos1.2", 4, 4)
        | norm("pos.pos2.0", 4)
        | layer("pos.pos2.2", 4, 4)
        | norm("pos.pos3.0", 4)
        | layer("pos.pos3.2", 3, 4)
        | layer("qkv", 36, 12)
        | layer("proj", 12, 12),
        long_distance,
        ((2, 12, 6, 6),),
        dispensable=r"^pos\.pos3\.2\.bias$",
    ),
    Case(
        "LeapLabTHU/DAT",
        DeformableAttention(
            *(12, 4, 2), kernel_size=3, table_height=7, table_width=5, bias=True, clamp=True
        ),
        layer("conv_offset.0", 6, 1, 3, 3)
        | norm("conv_offset.1.norm", 6)
        | layer("conv_offset.3", 2, 6, 1, 1, bias=False)
        | layer("proj_q", 12, 12, 1, 1)
        | layer("proj_k", 12, 12, 1, 1)
        | layer("proj_v", 12, 12, 1, 1)
        | layer("proj_out", 12, 12, 1, 1)
        | {"rpe_table": (4, 13, 9)},
        deformable,
        ((2, 12, 7, 5),),
    ),
    Case(
        "sail-sg/volo",
        OutlookAttention(12, heads=2, stride=2),
        layer("v", 12, 12, bias=False) | layer("attn", 2 * 81, 12) | layer("proj", 12, 12),
        outlook,
        ((2, 12, 7, 5),),
    ),
]
