"""Efficient multi-head self-attention (Zhang and Yang, 2021)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import SignatureError, Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.precision import wide


class EfficientMultiHeadAttention(nn.Module):
    r"""Let every pixel attend to a map of fewer, after the heads have spoken to one another.

    .. math::
        y = \bigl[\,\mathrm{IN}(\mathrm{softmax}(L_i))\, V_i\,\bigr]_{i=1}^{h} W_o + b, \qquad
        L_i = \sum_{j=1}^{h} w_{ij}\, Q_j K_j^\top / \sqrt{d_h}, \qquad
        K, V = \mathrm{LN}(D * c)\, W_{kv}

    A depthwise convolution D with stride s makes s² times fewer keys and values of the map c, and
    s² times fewer pairs.  Each head is left with few features, so a 1 × 1 convolution w mixes the
    logits of all heads; an instance norm of each head's N × M weights, by their own mean and
    variance, makes the heads differ again.  With no context the tokens attend to their own map.

    Logits and weights are in float32 or better: half precision has no room for the
    products of large features.

    Biases that make no difference are left out: of keys and of the mixing, because a softmax does
    not see a shift; of values and of the layer norm, because normed weights sum to zero.  So
    there is no mask either: the norm would give what it hides a weight other than zero.

    The kernel of D is s + 1, padded with zeros by s / 2, rounded so that any map has ⌈H/s⌉ × ⌈W/s⌉
    keys.  From s = 4 on, up to ⌊s/2⌋ - 1 of the last rows and columns are then read by no key.

    Args:
        dim: features of a token, d.
        heads: heads, h, each of d_h = d / h features; 1, 2, 4 and 8 in the paper's four stages.
        sr_ratio: how many times fewer the rows and the columns of keys are, s; 8, 4, 2 and 1 in the
            paper's four stages.  With 1 there is neither convolution nor layer norm.
        bias: whether queries have a bias, as in the authors' released models.
        plain: whether w and IN are left out, as in the authors' code where there is a single head;
            the paper makes no exception.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`; if an argument is below 1; if the tokens
            of the map are not `height` × `width`.
    """

    @typed
    def __init__(
        self,
        dim: int,
        heads: int = 4,
        sr_ratio: int = 2,
        bias: bool = True,
        plain: bool = False,
    ):
        super().__init__()
        at_least(1, sr_ratio=sr_ratio)
        divides(heads=heads, dim=dim)
        self.dim, self.heads, self.sr_ratio = dim, heads, sr_ratio
        self.bias, self.plain = bias, plain
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        if sr_ratio > 1:
            self.reduce = nn.Conv2d(
                dim, dim, sr_ratio + 1, sr_ratio, padding=sr_ratio // 2, groups=dim
            )
            self.norm_weight = nn.Parameter(torch.ones(dim))
        # no layer: logits are wider
        self.mix_heads = None if plain else nn.Linear(heads, heads, bias=False).weight
        self.out = nn.Linear(dim, dim)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        height: int,
        width: int,
        context: Float[Tensor, "batch source dim"] | None = None,
    ) -> Tokens:
        """Attend from `x` to the map of `context`, or of `x`, whose pixels lie row by row."""
        chosen, value = self._compare(x, height, width, context)
        return self.out(merge_heads(chosen @ value).to(x.dtype))

    @shaped
    def weights(
        self,
        x: Tokens,
        height: int,
        width: int,
        context: Float[Tensor, "batch source dim"] | None = None,
    ) -> Float[Tensor, "batch heads tokens keys"]:
        """The weights by which each head mixes the values; normed, those of a token sum to zero."""
        chosen, _ = self._compare(x, height, width, context)
        return chosen.to(x.dtype)

    def _compare(
        self, x: Tensor, height: int, width: int, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The normed weights, and the values that they mix."""
        reduced = self._reduce(x if context is None else context, height, width)
        parts = self.query(x), *self.key_value(reduced).chunk(2, dim=-1)
        query, key, value = (wide(split_heads(part, self.heads)) for part in parts)
        if self.mix_heads is None:
            return (query @ (key / key.shape[-1] ** 0.5).transpose(-2, -1)).softmax(dim=-1), value
        mix = wide(self.mix_heads)[..., None, None]
        # no name for what is large and needed once: memory holds two such tensors, not three
        chosen = F.conv2d(query @ (key / key.shape[-1] ** 0.5).transpose(-2, -1), mix).softmax(
            dim=-1
        )
        # the same as an instance norm, which refuses to train on a map of one
        return torch.group_norm(chosen, self.heads), value

    def _reduce(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """What keys and values are projected from."""
        if height < 1 or tokens.shape[1] != height * width:  # the width has the same sign
            raise SignatureError(
                f"EfficientMultiHeadAttention: {tokens.shape[1]} tokens are no map of"
                f" height={height} and width={width}"
            )
        if self.sr_ratio == 1:
            return tokens
        maps = rearrange(tokens, "b (h w) d -> b d h w", h=height)
        if self.sr_ratio % 2:  # an even kernel: one place more below and on the right
            maps = F.pad(maps, (0, 1, 0, 1))
        reduced = rearrange(self.reduce(maps), "b d h w -> b (h w) d")
        return F.layer_norm(reduced, (self.dim,), self.norm_weight)


CARD = Card(
    EfficientMultiHeadAttention,
    paper="zhang2021rest",
    aliases=("emsa",),
    networks=[("ResT", "zhang2021rest")],
    example=dict(dim=12, heads=3),
    variants=[
        dict(heads=1),
        dict(sr_ratio=1),
        dict(sr_ratio=3),
        dict(sr_ratio=4),
        dict(bias=False),
        dict(plain=True, heads=1),
    ],
    sizes=dict(batch=2, height=7, width=5, tokens=("height", "width")),
    params="4 * dim**2 + dim + bias * dim + (1 - plain) * heads**2"
    " + Min(1, sr_ratio - 1) * ((sr_ratio + 1)**2 + 2) * dim",
    macs="2 * height * width * dim**2 + (2 * dim**2 + (1 - plain) * heads**2 * height * width"
    " + 2 * dim * height * width + Min(1, sr_ratio - 1) * (sr_ratio + 1)**2 * dim)"
    " * ceiling(height / sr_ratio) * ceiling(width / sr_ratio)",
    memory="heads * height * width * ceiling(height / sr_ratio) * ceiling(width / sr_ratio)",
    flow="""
        head_dim := dim / heads
        rows := ceiling(height / sr_ratio)
        columns := ceiling(width / sr_ratio)
        query = query x                       -> heads tokens head_dim
        fewer = reduce x                      -> dim rows columns             # depthwise, stride s
        normed = layer_norm fewer norm_weight -> rows*columns dim
        key, value = key_value                -> heads rows*columns head_dim  # project
        logits = product query key            -> heads tokens rows*columns    # query · key
        conv2d logits mix_heads                                               # mix heads: 1 × 1
        softmax                                                               # softmax over keys
        weights = group_norm                                                  # instance norm
        product weights value                 -> heads tokens head_dim        # weighted sum
        y = out                               -> tokens dim
    """,
    rejects=[dict(dim=10), dict(dim=8, heads=0), dict(dim=-8), dict(dim=8, sr_ratio=0)],
    oracles=("fightingcv_attention.attention.EMSA.EMSA",),
)
