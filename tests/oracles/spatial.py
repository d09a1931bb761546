"""Spatial attention in timm and in the ancestor."""

import torch
from fightingcv_attention.attention.SGE import SpatialGroupEnhance
from timm.layers.coord_attn import CoordAttn
from torch import nn


def timm_coordinate(m):
    theirs = CoordAttn(m.channels, rd_channels=m.hidden, bias=True)
    conv, norm, _ = m.squash
    state = {"conv1.weight": conv.weight[..., None]}
    # ours has no bias that the normalisation takes away again
    state |= {"conv1.bias": torch.zeros_like(norm.bias)}
    state |= {f"bn1.{key}": value for key, value in norm.state_dict(keep_vars=True).items()}
    for name, layer in (("conv_h", m.excite_rows), ("conv_w", m.excite_columns)):
        state |= {f"{name}.weight": layer.weight[..., None], f"{name}.bias": layer.bias}
    return theirs, state


class _AllPlaces(nn.Module):
    """Theirs divides the variance by one place less; a map scaled by a makes up for that.

    Likeness is quadratic in the map: with a⁴ = (n - 1) / n their deviation is ours.
    """

    def __init__(self, m):
        super().__init__()
        self.enhance = SpatialGroupEnhance(m.groups)

    def forward(self, x):
        places = x[0, 0].numel()
        a = ((places - 1) / places) ** 0.25
        state = dict(weight=self.enhance.weight / a**2, bias=self.enhance.bias)
        return torch.func.functional_call(self.enhance, state, (a * x,)) / a


def ancestor_spatial_group(m):
    state = {"enhance.weight": m.scale, "enhance.bias": m.shift}
    return _AllPlaces(m), {name: value.view(1, -1, 1, 1) for name, value in state.items()}


ORACLES = {
    "SpatialGroupEnhance": {
        "fightingcv_attention.attention.SGE.SpatialGroupEnhance": ancestor_spatial_group
    },
    "CoordinateAttention": {"timm.layers.coord_attn.CoordAttn": timm_coordinate},
}
