"""Unit Force Operated attention (Song, 2021)."""

import torch
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import above, divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.precision import at_least_float32


class UnitForceAttention(nn.Module):
    r"""Sum keys times values over the tokens, and read the sum at unit length in each query.

    .. math::
        y = \bigl[\,\mathrm{XN}(q^i)\, \mathrm{XN}(k^{i\top} v^i)\,\bigr]_{i=1}^{h} W_o,
        \qquad \mathrm{XN}(a) = \frac{\gamma_i\, a}{\sqrt{\sum a^2 + \varepsilon}}

    Without a softmax the product is free to begin with kᵀv, a d_h × d_h summary of all tokens.
    What keeps it from growing with their number is a length of one: every query, and every column
    of the summary, is a vector over the d_h features of a key, so that with γ = 1 a head answers
    with a cosine for each feature of the value.

    External-Attention-pytorch, where this class comes from, takes the lengths of the rows of the
    summary, over the features of a value: then nothing is a cosine.

    The paper's XNorm has no ε, and is 0 / 0 for a vector of zeros; here it gives zeros.  Sums and
    lengths are float32 or better, as products of thousands are beyond float16.

    Args:
        dim: features of a token, d.
        heads: heads, h; each works on d_h = d / h features.
        eps: what keeps the square of a length above zero, ε; ours.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`, if one of them is below 1, or if `eps`
            is not above 0.
    """

    @typed
    def __init__(self, dim: int, heads: int = 8, eps: float = 1e-6):
        super().__init__()
        divides(heads=heads, dim=dim)
        above(0, eps=eps)
        self.dim, self.heads, self.head_dim, self.eps = dim, heads, dim // heads, eps
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.gamma = nn.Parameter(torch.ones(heads))
        self.out = nn.Linear(dim, dim)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        parts = self.query_key_value(x).chunk(3, dim=-1)
        cosines = at_least_float32(self._read, *(split_heads(part, self.heads) for part in parts))
        return self.out(merge_heads(cosines).to(x.dtype))

    def _read(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The product of each query with what keys and values add up to."""
        force = self._unit(value.transpose(-2, -1) @ key)
        return self._unit(query) @ force.transpose(-2, -1)

    def _unit(self, vectors: Tensor) -> Tensor:
        """XNorm along the last axis."""
        square = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).square()
        return vectors * (self.gamma[:, None, None] / (square + self.eps).sqrt())


CARD = Card(
    UnitForceAttention,
    paper="song2021ufo",
    aliases=("ufo",),
    elsewhere=("UFOAttention", "UFO-ViT"),
    networks=[("UFO-ViT", "song2021ufo")],
    example=dict(dim=12, heads=3),
    variants=[dict(heads=1), dict(heads=12), dict(eps=0.5)],
    sizes=dict(batch=2, tokens=7),
    params="4 * dim * (dim + 1) + heads",
    macs="4 * tokens * dim**2 + 2 * tokens * dim * head_dim",
    memory="3 * tokens * dim",
    flow="""
        query, key, value = query_key_value x -> heads tokens head_dim    # project
        sums = product value key              -> heads head_dim head_dim  # sum of value × key
        force = [unit length] sums gamma                                  # scale to length γ
        unit = [unit length] query gamma      -> heads tokens head_dim    # scale to length γ
        product unit force                                                # query · sum
        y = out                               -> tokens dim
    """,
    properties={properties.token_permutation_equivariant},
    rejects=[dict(dim=10, heads=4), dict(dim=8, heads=0), dict(dim=0), dict(dim=8, eps=0.0)],
)
