"""Split the features of tokens into heads, and join them again."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def split_heads(
    x: Float[Tensor, "batch tokens dim"], heads: int
) -> Float[Tensor, "batch {heads} tokens dim//{heads}"]:
    """Give each head its share of the features."""
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(
    x: Float[Tensor, "batch heads tokens head_dim"],
) -> Float[Tensor, "batch tokens heads*head_dim"]:
    """Lay the heads side by side."""
    return rearrange(x, "b h n d -> b n (h d)")
