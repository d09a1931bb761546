"""Spatial attention in timm."""

import torch
from timm.layers.coord_attn import CoordAttn


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


ORACLES = {
    "CoordinateAttention": {"timm.layers.coord_attn.CoordAttn": timm_coordinate},
}
