"""Attention pooling: a map becomes one vector, the mean of its positions weighed by one query."""

from jaxtyping import Float
from torch import Tensor


def position_weights(
    logits: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, "batch 1 height*width"]:
    """softmax over the positions."""
    return logits.flatten(-2).softmax(dim=-1)


def pooled(
    maps: Float[Tensor, "batch channels height width"],
    weights: Float[Tensor, "batch 1 height*width"],
) -> Float[Tensor, "batch channels"]:
    """The sum over the positions j of weight_j x_j."""
    return (maps.flatten(-2) @ weights.transpose(-2, -1)).squeeze(-1)
