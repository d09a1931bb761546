"""Sparse attention in other people's packages."""

import torch
from torch import nn

from tests.oracles.bare import bare


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


class _Recurrent(nn.Module):
    """Theirs goes over the map once."""

    def __init__(self, once, times):
        super().__init__()
        self.once, self.times = once, times

    def forward(self, x):
        for _ in range(self.times):
            x = self.once(x)
        return x


class _Scale(nn.Module):
    """What they import from the rest of their package: a factor that is learned."""

    def __init__(self, start):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(start))

    def forward(self, x):
        return self.scale * x


class _Registry:
    def register_module(self):
        return lambda module: module


def mmcv_criss_cross(m):
    stubs = {"mmengine.registry": dict(MODELS=_Registry()), "mmcv.cnn": dict(Scale=_Scale)}
    module = bare("mmcv.ops.cc_attention", {"mmengine": {}} | stubs)
    theirs = _Recurrent(module.CrissCrossAttention(m.channels), m.recurrence)
    theirs.once.query_conv = nn.Conv2d(m.channels, m.hidden, 1)  # theirs has always C / 8
    theirs.once.key_conv = nn.Conv2d(m.channels, m.hidden, 1)
    state = {
        "query_conv.weight": m.query.weight,
        "query_conv.bias": m.query.bias,
        "key_conv.weight": m.key.weight,
        "key_conv.bias": torch.zeros_like(m.query.bias),  # without effect, and ours has none
        "value_conv.weight": m.value.weight,
        "value_conv.bias": m.value.bias,
        "gamma.scale": m.scale,
    }
    return theirs, {f"once.{name}": tensor for name, tensor in state.items()}


ORACLES = {
    "CrissCrossAttention": {"mmcv.ops.cc_attention.CrissCrossAttention": mmcv_criss_cross},
    "AxialAttention": {"axial_attention.AxialAttention": axial_attention},
}
