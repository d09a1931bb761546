"""Resize maps, where there is something to do."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attention_lib.core.exporting import is_exporting


def resize(
    maps: Float[Tensor, "batch channels rows columns"], height: int, width: int
) -> Float[Tensor, "batch channels {height} {width}"]:
    """Bilinear; left out where the size is right, but for an export, which may leave it open."""
    if not is_exporting() and maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, (height, width), mode="bilinear")
