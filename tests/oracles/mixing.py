"""Mixing in mmpretrain and in torch itself."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
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
    theirs = _Half(hornet.GlobalLocalFilter(2 * m.channels, m.size[0], m.size[1] // 2 + 1))
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


class _Registry:
    @staticmethod
    def register_module():
        return lambda cls: cls


ORACLES = {
    "GlobalFilter": {
        "mmpretrain.models.backbones.hornet.GlobalLocalFilter": mmpretrain_global_filter,
        "torch.nn.functional.conv2d": torch_global_filter,
    },
}
