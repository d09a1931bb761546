"""Sums that float16 and bfloat16 cannot hold."""

import torch
from jaxtyping import Float
from torch import Tensor


def at_least_float32(function, *tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
    """What `function` makes of the tensors in float32 or better, also where autocast is on."""
    wide = [x.to(torch.promote_types(x.dtype, torch.float32)) for x in tensors]
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # which does not know of meta
        return function(*wide)
    with torch.autocast(device, enabled=False):
        return function(*wide)


def scaled_products(
    query: Float[Tensor, "... tokens features"], key: Float[Tensor, "... others features"]
) -> Float[Tensor, "... tokens others"]:
    """QKᵀ / √features in float32 or better: float16 ends at 65504."""
    return at_least_float32(_products, query, key) / query.shape[-1] ** 0.5


def _products(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT
