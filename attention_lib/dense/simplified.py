"""Simplified self-attention (from the repository External-Attention-pytorch, 2021)."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.masks import causal_mask, masked_attention, masked_softmax
from attention_lib.core.precision import scaled_products


class SimplifiedSelfAttention(nn.Module):
    r"""Let every token gather from those that are like it, with nothing learned in the comparison.

    .. math::
        y = \bigl[\,\mathrm{softmax}(x_i x_i^\top / \sqrt{d_h})\, x_i\,\bigr]_{i=1}^{h} W_o + b,
        \qquad x = [\,x_1, \dots, x_h\,]

    This mechanism has no paper: it comes from the repository External-Attention-pytorch.  There is
    no learned comparison either.  Each head takes its share of the raw features as query, key
    and value; only W_o, which joins the heads, is learned.  So likeness goes both ways before the
    softmax, long tokens look mostly at themselves, and the features must already lie where their
    dot product means something.  Beside multi-head attention it shows what the projections add.

    The code there also drops weights at random, and scales them by numbers given from outside; it
    takes keys and values other than the queries.  These are left out.

    Args:
        dim: features of a token, d.
        heads: heads, h; each compares d_h = d / h features; 8 in that repository's example.
        causal: whether a token sees only itself and those before it.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`, or one of them is below 1.
    """

    @typed
    def __init__(self, dim: int, heads: int = 8, causal: bool = False):
        super().__init__()
        divides(heads=heads, dim=dim)
        self.dim, self.heads, self.causal = dim, heads, causal
        self.out = nn.Linear(dim, dim)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Tokens:
        """Attend to the real tokens; a token that may read nothing gathers zeros.

        Args:
            x: the tokens.
            key_mask: (batch, tokens), True for a real token, False for padding; None is all True.
        """
        parts = split_heads(x, self.heads)
        fused = self.causal and key_mask is None  # torch's own causality needs no N × N mask
        allowed = None if fused else self._allowed(x, key_mask)
        return self.out(merge_heads(masked_attention(parts, parts, parts, allowed, self.causal)))

    @shaped
    def weights(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch heads tokens keys"]:
        """The weights by which each head mixes the tokens; made for looking, not for speed."""
        parts = split_heads(x, self.heads)
        allowed = self._allowed(x, key_mask)
        return masked_softmax(scaled_products(parts, parts), allowed).to(x.dtype)

    def _allowed(self, x: Tensor, key_mask: Tensor | None) -> Tensor | None:
        """Which token sees which, of a sample and a head; None if nothing restricts it."""
        real = None if key_mask is None else key_mask[:, None, None, :]
        if not self.causal:
            return real
        return causal_mask(x) if real is None else causal_mask(x) & real


CARD = Card(
    SimplifiedSelfAttention,
    paper="xmu2021external",
    source="repository",
    aliases=("ssa",),
    elsewhere=("SimplifiedScaledDotProductAttention",),
    example=dict(dim=12, heads=3),
    variants=[dict(causal=True), dict(heads=1)],
    sizes=dict(batch=2, tokens=7),
    params="dim**2 + dim",
    macs="tokens * dim**2 + 2 * tokens**2 * dim",
    memory="tokens * dim",
    flow="""
        head_dim := dim / heads
        logits = product x x -> heads tokens tokens    # token · token
        weights = softmax                              # softmax over keys
        product weights x    -> heads tokens head_dim  # weighted sum
        y = out              -> tokens dim
    """,
    properties={properties.token_permutation_equivariant},
    rejects=[dict(dim=10, heads=4), dict(dim=8, heads=0), dict(dim=-8), dict(dim=0)],
    oracles=("torch.nn.functional.scaled_dot_product_attention",),
)
