"""What lies around the pixels of a map."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attention_lib.core.precision import wide


def shifted_views(
    maps: Float[Tensor, "*batch height width"],
    size: int,
    stride: int = 1,
    outside: float = 0.0,
    mirror: bool = False,
) -> Iterator[Tensor]:
    """The maps shifted to each place of a square, row by row: views of one padded copy.

    They come one at a time, each as it is asked for: were all views made before the first is used,
    the gradients of all would have to be kept until the last of them is known.

    Args:
        maps: the maps; at a pixel of the n-th view stands what lies at the n-th place around it.
        size: side of the square that is centred on a pixel; odd.
        stride: steps from one pixel that looks around to the next.
        outside: what there is to see beyond the map.
        mirror: whether the map itself is seen there, mirrored at its outermost pixels.
    """
    height, width = maps.shape[-2:]
    margin = (size // 2,) * 4
    if mirror:
        padded = F.pad(maps.reshape(-1, height, width), margin, mode="reflect")
        maps = padded.view(*maps.shape[:-2], *padded.shape[-2:])
    else:
        maps = F.pad(maps, margin, value=outside)
    for a in range(size):
        for b in range(size):
            yield maps[..., a : a + height : stride, b : b + width : stride]


def neighborhood_attention(
    weights: Float[Tensor, "batch *#groups places rows columns"],
    values: Float[Tensor, "batch *groups height width"],
    size: int,
    stride: int = 1,
    mirror: bool = False,
) -> Float[Tensor, "batch *groups rows columns"]:
    """The weighted sum of the values around each pixel: products of whole maps, place by place.

    The sum is float32 or better on the way, as parts of it may be beyond float16.

    Args:
        weights: of each place of the square, row by row; an axis of size one is shared.
        values: the maps that are gathered from.
        size: side of the square that is centred on a pixel; odd.
        stride: steps from one pixel that gathers to the next.
        mirror: whether the map goes on beyond its border, mirrored; if not, zeros lie there.
    """
    first, *others = weights.unbind(dim=-3)
    views = shifted_views(values, size, stride, mirror=mirror)
    gathered = wide(first) * next(views)
    for weight, near in zip(others, views, strict=True):
        gathered = torch.addcmul(gathered, weight, near)
    return gathered.to(values.dtype)
