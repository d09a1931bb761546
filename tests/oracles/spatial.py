"""Spatial attention in timm, in mmpretrain and in fightingcv-attention."""

from math import inf

import torch
from fightingcv_attention.attention.SGE import SpatialGroupEnhance
from timm.layers.coord_attn import CoordAttn
from torch import nn

from tests.oracles.bare import bare


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


def fightingcv_spatial_group(m):
    state = {"enhance.weight": m.scale, "enhance.bias": m.shift}
    return _AllPlaces(m), {name: value.view(1, -1, 1, 1) for name, value in state.items()}


def mmpretrain_class_specific(m):
    heads = bare(
        "mmpretrain.models.heads.multi_label_csra_head",
        {
            "mmengine": {},
            "mmengine.model": {"BaseModule": _Base, "ModuleList": nn.ModuleList},
            "mmpretrain.registry": {"MODELS": _Registry},
            "mmpretrain.models.heads.multi_label_cls_head": {"MultiLabelClsHead": _Base},
        },
    )
    theirs = [  # 99 is their sign for a maximum
        heads.CSRAModule(m.classes, m.channels, 99 if t == inf else t, m.lam)
        for t in m.temperatures
    ]
    weights = [own[..., None, None] for own in m.classify]
    return _Added(theirs), {f"{i}.head.weight": own for i, own in enumerate(weights)}


class _Base(nn.Module):
    """mmengine's module, of which theirs uses no more than that it takes `init_cfg`."""

    def __init__(self, init_cfg=None):
        super().__init__()


class _Registry:
    @staticmethod
    def register_module():
        return lambda cls: cls


class _Added(nn.ModuleList):
    """Their head of several temperatures adds the logits, but has only the paper's temperatures."""

    def forward(self, x):
        return sum(head(x) for head in self)


ORACLES = {
    "SpatialGroupEnhance": {
        "fightingcv_attention.attention.SGE.SpatialGroupEnhance": fightingcv_spatial_group
    },
    "CoordinateAttention": {"timm.layers.coord_attn.CoordAttn": timm_coordinate},
    "ClassSpecificResidualAttention": {
        "mmpretrain.models.heads.multi_label_csra_head.CSRAModule": mmpretrain_class_specific
    },
}
