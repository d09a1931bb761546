"""Which token may read which, and a softmax over these alone."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from attention_lib.core.exporting import is_exporting


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


def masked_attention(
    query: Float[Tensor, "... tokens features"],
    key: Float[Tensor, "... keys features"],
    value: Float[Tensor, "... keys features"],
    allowed: Bool[Tensor, "..."] | None,
    causal: bool = False,
) -> Float[Tensor, "... tokens features"]:
    """softmax(QKᵀ / √features) V over the keys that are allowed; with none a token gathers zeros.

    Causal, and with no other restriction, no mask is made.
    """
    fused = causal and allowed is None
    gathered = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, is_causal=fused)
    if allowed is not None and is_exporting():  # else ONNX would give it the mean of all values
        gathered = gathered * allowed.any(dim=-1, keepdim=True)
    return gathered
