"""Sparse attention in other people's packages."""

import torch
from torch import nn


class _InTurn(nn.Module):
    """Theirs has one layer an axis, the height first, and either adds them or applies each once."""

    def __init__(self, m):
        super().__init__()
        from axial_attention import AxialAttention

        self.layers = nn.ModuleList(
            AxialAttention(m.channels, heads=m.heads, dim_index=1).axial_attentions[axis]
            for axis in m.axes
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def axial_attention(m):
    state = {}
    for i, (project, out) in enumerate(zip(m.query_key_value, m.out, strict=True)):
        query, other = project.weight.tensor_split([m.channels])
        state |= {f"layers.{i}.fn.to_q.weight": query, f"layers.{i}.fn.to_kv.weight": other}
        state |= {f"layers.{i}.fn.to_out.weight": out.weight}
        state |= {f"layers.{i}.fn.to_out.bias": torch.zeros_like(out.weight[0])}  # ours has none
    return _InTurn(m), state


ORACLES = {
    "AxialAttention": {"axial_attention.AxialAttention": axial_attention},
}
