"""Add branches up, each channel of each with a weight of its own."""

import torch
from jaxtyping import Float
from torch import Tensor


def weighted_sum(
    maps: list[Float[Tensor, "batch channels height width"]],
    weights: Float[Tensor, "batch branches channels"],
) -> Float[Tensor, "batch channels height width"]:
    """The weighted sum of maps, one after the other: they are never stacked."""
    first, *others = weights[..., None, None].unbind(dim=1)
    y = first * maps[0]
    for weight, branch_map in zip(others, maps[1:], strict=True):
        y = torch.addcmul(y, weight, branch_map)
    return y
