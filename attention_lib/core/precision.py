"""Sums that float16 and bfloat16 cannot hold, and the attention made of them."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Answer = TypeVar("Answer")


def wide(x: Tensor) -> Tensor:
    """The same in float32 or better."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def at_least_float32(function: Callable[..., Answer], *tensors: Tensor) -> Answer:
    """What `function` makes of the tensors in float32 or better, also where autocast is on."""
    widened = [wide(x) for x in tensors]
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # which does not know of meta
        return function(*widened)
    with torch.autocast(device, enabled=False):
        return function(*widened)


def scaled_products(
    query: Float[Tensor, "... tokens features"], key: Float[Tensor, "... keys features"]
) -> Float[Tensor, "... tokens keys"]:
    """QKᵀ / √features in float32 or better: float16 ends at 65504."""
    return at_least_float32(_scaled_products, query, key)


def biased_weights(
    query: Float[Tensor, "... tokens features"],
    key: Float[Tensor, "... keys features"],
    bias: Float[Tensor, "... tokens keys"],
) -> Float[Tensor, "... tokens keys"]:
    """softmax(QKᵀ / √features + bias)."""
    return (scaled_products(query, key) + bias).softmax(dim=-1).to(query.dtype)


def biased_attention(
    query: Float[Tensor, "... tokens features"],
    key: Float[Tensor, "... keys features"],
    value: Float[Tensor, "... keys features"],
    bias: Float[Tensor, "... tokens keys"],
) -> Float[Tensor, "... tokens features"]:
    """softmax(QKᵀ / √features + bias) V; no row of the bias may hide everything."""
    # torch's fused kernel has no gradient of a bias on a CPU, and what it falls back to is slower;
    # whether one is wanted the bias itself does not tell inside of vmap, and a trace is for both
    learns = torch.is_grad_enabled() or torch.jit.is_tracing()
    if learns and bias.device.type == "cpu":
        return biased_weights(query, key, bias) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def _scaled_products(query: Tensor, key: Tensor) -> Tensor:
    return (
        query / query.shape[-1] ** 0.5 @ key.transpose(-2, -1)
    )  # fewer numbers to divide than products
