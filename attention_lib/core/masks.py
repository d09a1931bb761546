"""Which token may see which, and a softmax over no others."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def not_after(tokens: Float[Tensor, "... tokens features"]) -> Bool[Tensor, "tokens tokens"]:
    """True where the second token is not after the first: the lower triangle."""
    place = torch.arange(tokens.shape[-2], device=tokens.device)
    return place[:, None] >= place


def masked_softmax(
    logits: Float[Tensor, "... tokens others"], allowed: Bool[Tensor, "..."] | None
) -> Float[Tensor, "... tokens others"]:
    """Softmax over the others that are allowed; a row without a choice is all zeros, not nan."""
    if allowed is None:
        return logits.softmax(dim=-1)
    blind = ~allowed.any(dim=-1, keepdim=True)
    return logits.masked_fill(~(allowed | blind), -torch.inf).softmax(dim=-1) * ~blind
