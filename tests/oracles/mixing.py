"""Mixing in mmpretrain, in torch itself, and in fightingcv-attention."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from einops import rearrange
from fightingcv_attention.attention.ViP import WeightedPermuteMLP
from torch import nn

from tests.oracles.bare import bare
from tests.oracles.float64 import float64


def mmpretrain_global_filter(m):
    hornet = bare(
        "mmpretrain.models.backbones.hornet",
        {
            "mmcv": {},
            "mmcv.cnn": {},
            "mmcv.cnn.bricks": {"DropPath": nn.Identity},
            "mmpretrain.registry": {"MODELS": _Registry},
            "mmpretrain.models.backbones.base_backbone": {"BaseBackbone": nn.Module},
            "mmpretrain.models.utils": {"LayerScale": nn.Identity},
        },
    )
    theirs = _Half(hornet.GlobalLocalFilter(2 * m.channels, *m.filter.shape[2:]))
    return theirs, {"both.complex_weight": m.filter.permute(1, 2, 3, 0)}


class _Half(nn.Module):
    """Theirs filters every other channel that comes out, between norms; the rest is convolved."""

    def __init__(self, both):
        super().__init__()
        both.pre_norm, both.dw, both.post_norm = nn.Identity(), nn.Identity(), nn.Identity()
        self.both = both

    def forward(self, x):
        with float64() if x.dtype == torch.float64 else nullcontext():
            return self.both(torch.cat([x, x], dim=1))[:, 1::2]


def torch_global_filter(m):
    return _Circular(), {"filter": m.filter}


class _Circular(nn.Module):
    """In place of a product of frequencies, a convolution that goes on at the other edge."""

    def __init__(self):
        super().__init__()
        self.filter = nn.Parameter(torch.empty(0))

    def forward(self, x):
        _, channels, height, width = x.shape
        size = (height, width // 2 + 1)
        parts = F.interpolate(self.filter, size=size, mode="bilinear", align_corners=True)
        kernel = torch.fft.irfft2(torch.complex(*parts), s=(height, width))
        before = F.pad(x, (width - 1, 0, height - 1, 0), mode="circular")
        return F.conv2d(before, kernel.flip(-2, -1)[:, None], groups=channels)

    def _load_from_state_dict(self, state, prefix, *_):
        self.filter = nn.Parameter(state[prefix + "filter"].clone())


def fightingcv_permutator(m):
    theirs = WeightedPermuteMLP(m.channels, seg_dim=m.channels // m.segment_size)
    rows, columns = m.segment_size * m.height, m.segment_size * m.width
    theirs.mlp_h = nn.Linear(rows, rows, bias=False)  # theirs are C wide, for square maps
    theirs.mlp_w = nn.Linear(columns, columns, bias=False)
    theirs.reweighting.fc1 = nn.Linear(m.channels, m.hidden)
    theirs.reweighting.fc2 = nn.Linear(m.hidden, 3 * m.channels)
    places_first = "(s p) (t q) -> (p s) (q t)"
    their_order = "(k c) ... -> k c ..."
    excite = rearrange(m.excite.weight, their_order, k=3).flip(0)  # channels, width, height
    excite_bias = rearrange(m.excite.bias, their_order, k=3).flip(0)
    return _ChannelsLast(theirs), {
        "theirs.mlp_h.weight": rearrange(
            m.mix_rows.weight[..., 0], places_first, s=m.segment_size, t=m.segment_size
        ),
        "theirs.mlp_w.weight": rearrange(
            m.mix_columns.weight, places_first, s=m.segment_size, t=m.segment_size
        ),
        "theirs.mlp_c.weight": m.mix_channels.weight.flatten(1),
        "theirs.reweighting.fc1.weight": m.squash[0].weight,
        "theirs.reweighting.fc1.bias": m.squash[0].bias,
        "theirs.reweighting.fc2.weight": rearrange(excite, "k c m -> (c k) m"),
        "theirs.reweighting.fc2.bias": rearrange(excite_bias, "k c -> (c k)"),
        "theirs.proj.weight": m.out.weight.flatten(1),
        "theirs.proj.bias": m.out.bias,
    }


class _ChannelsLast(nn.Module):
    def __init__(self, theirs):
        super().__init__()
        self.theirs = theirs

    def forward(self, x):
        return self.theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Registry:
    @staticmethod
    def register_module():
        return lambda cls: cls


ORACLES = {
    "VisionPermutator": {
        "fightingcv_attention.attention.ViP.WeightedPermuteMLP": fightingcv_permutator
    },
    "GlobalFilter": {
        "mmpretrain.models.backbones.hornet.GlobalLocalFilter": mmpretrain_global_filter,
        "torch.nn.functional.conv2d": torch_global_filter,
    },
}
