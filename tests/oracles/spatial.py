"""Spatial attention in timm, mmpretrain, and the ancestor of this library."""

from math import inf

import torch
from fightingcv_attention.attention import SGE
from timm.layers.coord_attn import CoordAttn
from torch import nn
from torch.overrides import TorchFunctionMode

from tests.oracles.bare import bare


def ancestor_spatial_group(m):
    return _WholeDeviation(m.groups), {
        "weight": m.scale.view(1, -1, 1, 1),
        "bias": m.shift.view(1, -1, 1, 1),
    }


class _WholeDeviation(SGE.SpatialGroupEnhance):
    """Theirs divides by one less than the number of places, as the authors' code does."""

    def forward(self, x):
        with _Uncorrected():
            return super().forward(x)


class _Uncorrected(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        more = {"correction": 0} if func is torch.Tensor.std else {}
        return func(*args, **{**(kwargs or {}), **more})


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
        heads.CSRAModule(m.classes, m.channels, 99 if t == inf else t, m.strength)
        for t in m.temperatures
    ]
    return _Added(theirs), {f"{i}.head.weight": own.weight for i, own in enumerate(m.classify)}


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
        "fightingcv_attention.attention.SGE.SpatialGroupEnhance": ancestor_spatial_group
    },
    "CoordinateAttention": {"timm.layers.coord_attn.CoordAttn": timm_coordinate},
    "ClassSpecificResidualAttention": {
        "mmpretrain.models.heads.multi_label_csra_head.CSRAModule": mmpretrain_class_specific
    },
}
