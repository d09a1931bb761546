"""Mixing without a comparison, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.mixing import GlobalFilter, VisionPermutator
from tests.support.official import Case, layer, linear


def permutator(weights, x):
    x = x.permute(0, 2, 3, 1)  # theirs has the channels last
    parts = x.unflatten(3, (4, -1))  # as many segments as rows and as columns
    rows = linear(weights, "mlp_h", parts.permute(0, 3, 2, 1, 4).flatten(3))
    columns = linear(weights, "mlp_w", parts.permute(0, 1, 3, 2, 4).flatten(3))
    rows = rows.unflatten(3, (4, -1)).permute(0, 3, 2, 1, 4).flatten(3)
    columns = columns.unflatten(3, (4, -1)).permute(0, 1, 3, 2, 4).flatten(3)
    maps = torch.stack([rows, columns, linear(weights, "mlp_c", x)], dim=-1)
    hidden = F.gelu(linear(weights, "reweight.fc1", maps.sum(dim=-1).mean(dim=(1, 2))))
    shares = linear(weights, "reweight.fc2", hidden).unflatten(1, (-1, 3)).softmax(dim=2)
    mixed = (maps * shares[:, None, None]).sum(dim=-1)
    return linear(weights, "proj", mixed).permute(0, 3, 1, 2)


def global_filter(weights, x):
    waves = torch.fft.rfft2(x.permute(0, 2, 3, 1), dim=(1, 2), norm="ortho")
    waves = waves * torch.view_as_complex(weights["complex_weight"])
    return torch.fft.irfft2(waves, s=x.shape[2:], dim=(1, 2), norm="ortho").permute(0, 3, 1, 2)


CASES = [
    Case(
        "houqb/VisionPermutator",
        VisionPermutator(12, 4, 4, segment_size=3),
        layer("mlp_c", 12, 12, bias=False)
        | layer("mlp_h", 12, 12, bias=False)
        | layer("mlp_w", 12, 12, bias=False)
        | layer("reweight.fc1", 3, 12)
        | layer("reweight.fc2", 36, 3)
        | layer("proj", 12, 12),
        permutator,
        ((2, 12, 4, 4),),
    ),
    Case(
        "raoyongming/GFNet",
        GlobalFilter(4, table_height=7, table_width=5),
        {"complex_weight": (7, 3, 4, 2)},
        global_filter,
        ((2, 4, 7, 5),),
    ),
]
