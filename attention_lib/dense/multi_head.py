"""Multi-head attention (Vaswani et al., 2017)."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import SignatureError, Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.masks import causal_mask, masked_attention, masked_softmax
from attention_lib.core.precision import scaled_products


class MultiHeadAttention(nn.Module):
    r"""Let every token gather from every other, by several learned measures of likeness at once.

    .. math::
        y = \bigl[\,\mathrm{softmax}(Q_i K_i^\top / \sqrt{d_h})\, V_i\,\bigr]_{i=1}^{h} W_o,
        \qquad Q_i = x W_i^q,\; K_i = c W_i^k,\; V_i = c W_i^v

    Each head compares the queries of the tokens x with the keys of a context c and takes a
    weighted mean of its values.  With no context the tokens attend to one another: c = x.
    Where torch has a fused kernel for device and dtype, the N × M logits and weights of a head are
    never stored: it goes through them block by block.

    Args:
        dim: features of a token, d; 512 in the paper.
        heads: heads, h; each works on d_h = d / h features; 8 in the paper.
        bias: whether the projections have biases; the paper's have none.
        causal: whether a token sees only itself and those before it.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`, or one of them is below 1; if a mask
            does not fit the context; if a causal attention is given a context, which has no
            before and after.
    """

    @typed
    def __init__(self, dim: int, heads: int = 8, bias: bool = False, causal: bool = False):
        super().__init__()
        divides(heads=heads, dim=dim)
        self.dim, self.heads, self.causal = dim, heads, causal
        self.bias = bias
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias=bias)
        self.out = nn.Linear(dim, dim, bias=bias)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        context: Float[Tensor, "batch source dim"] | None = None,
        attn_mask: Bool[Tensor, "tokens source"] | None = None,
        key_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Tokens:
        """Attend from `x` to `context`; a token that may read nothing gathers zeros.

        Args:
            x: the tokens that attend.
            context: the tokens they attend to; None is `x` itself.
            attn_mask: (tokens, source), True where a token may read another; None is all True.
            key_mask: (batch, source), True for a real token, False for padding; None is all True.
        """
        query, key, value = self._project(x, context)
        allowed = self._allowed(query, key, attn_mask, key_mask)
        return self.out(merge_heads(masked_attention(query, key, value, allowed, self.causal)))

    @shaped
    def weights(
        self,
        x: Tokens,
        context: Float[Tensor, "batch source dim"] | None = None,
        attn_mask: Bool[Tensor, "tokens source"] | None = None,
        key_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Float[Tensor, "batch heads tokens source"]:
        """The weights by which each head mixes the values; made for looking, not for speed."""
        query, key, _ = self._project(x, context)
        allowed = self._allowed(query, key, attn_mask, key_mask)
        if self.causal and allowed is None:
            allowed = causal_mask(query)
        return masked_softmax(scaled_products(query, key), allowed).to(x.dtype)

    def _project(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if self.causal and context is not None:
            raise SignatureError("MultiHeadAttention: causal=True takes no context")
        context = x if context is None else context
        parts = self.query(x), *self.key_value(context).chunk(2, dim=-1)
        query, key, value = (split_heads(part, self.heads) for part in parts)
        return query, key, value

    def _allowed(
        self, query: Tensor, key: Tensor, attn_mask: Tensor | None, key_mask: Tensor | None
    ) -> Tensor | None:
        """Which query sees which key, from all that restricts it; None if causality alone does."""
        for name, given in (("attn_mask", attn_mask), ("key_mask", key_mask)):
            if given is not None and given.shape[-1] != key.shape[-2]:
                raise SignatureError(
                    f"MultiHeadAttention: {name} must end in source={key.shape[-2]},"
                    f" got {tuple(given.shape)}"
                )
        parts = [] if attn_mask is None else [attn_mask]
        parts += [] if key_mask is None else [key_mask[:, None, None, :]]
        if parts and self.causal:
            parts.append(causal_mask(query))
        allowed = None
        for part in parts:
            allowed = part if allowed is None else allowed & part
        return allowed


CARD = Card(
    MultiHeadAttention,
    paper="vaswani2017attention",
    aliases=("mha", "self"),
    elsewhere=("sa", "msa", "mhsa", "ScaledDotProductAttention"),
    networks=[("Transformer", "vaswani2017attention"), ("ViT", "dosovitskiy2021vit")],
    example=dict(dim=12, heads=3),
    variants=[dict(bias=True), dict(causal=True), dict(heads=1)],
    sizes=dict(batch=2, tokens=7),
    params="4 * dim**2 + bias * 4 * dim",
    macs="4 * tokens * dim**2 + 2 * tokens**2 * dim",
    memory="2 * tokens * dim",
    flow="""
        head_dim := dim / heads
        query = query x            -> heads tokens head_dim
        key, value = key_value x   -> heads tokens head_dim  # project
        logits = product query key -> heads tokens tokens    # query · key
        weights = softmax                                    # softmax over keys
        product weights value      -> heads tokens head_dim  # weighted sum
        y = out                    -> tokens dim
    """,
    properties={properties.token_permutation_equivariant},
    rejects=[dict(dim=10, heads=4), dict(dim=8, heads=0), dict(dim=-8), dict(dim=0)],
    oracles=("torch.nn.MultiheadAttention",),
)
