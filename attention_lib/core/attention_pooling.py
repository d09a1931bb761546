"""Attention pooling: a map becomes one vector, the mean of its positions weighed by one query."""

from jaxtyping import Float
from torch import Tensor


def position_weights(
    query: Float[Tensor, "1 channels"], maps: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch 1 height*width"]:
    """softmax over the positions j of query · x_j."""
    # one view for each use: the gradients of a shared one are added apart, in one map more
    batch = maps.shape[0]  # which torch 2.6 exports with any batch; `len` would be a constant
    query = query.expand(batch, -1, -1)  # else all maps would be copied
    return (query @ maps.flatten(-2)).softmax(dim=-1)


def pooled(
    maps: Float[Tensor, "batch channels height width"],
    weights: Float[Tensor, "batch 1 height*width"],
) -> Float[Tensor, "batch channels"]:
    """The sum over the positions j of weight_j x_j."""
    return (maps.flatten(-2) @ weights.mT).squeeze(-1)
