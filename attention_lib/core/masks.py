"""Which token may read which, and a softmax over these alone."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def causal_mask(tokens: Float[Tensor, "... tokens features"]) -> Bool[Tensor, "tokens tokens"]:
    """True where the second token is not after the first: the lower triangle."""
    place = torch.arange(tokens.shape[-2], device=tokens.device)
    return place[:, None] >= place


def masked_softmax(
    logits: Float[Tensor, "... tokens keys"], allowed: Bool[Tensor, "..."] | None
) -> Float[Tensor, "... tokens keys"]:
    """Softmax over the keys that are allowed; a row with none is all zeros, not nan."""
    if allowed is None:
        return logits.softmax(dim=-1)
    blind = ~allowed.any(dim=-1, keepdim=True)
    return logits.masked_fill(~(allowed | blind), -torch.inf).softmax(dim=-1) * ~blind
