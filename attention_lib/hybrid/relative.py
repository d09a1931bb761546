"""Relative attention (Dai et al., 2021)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.heads import split_heads
from attention_lib.core.precision import biased_attention, biased_weights
from attention_lib.core.relative_position import relative_bias
from attention_lib.core.resize import resize


class RelativeAttention(nn.Module):
    r"""Weigh pixels by what they hold, as attention does, and by offset, as a convolution does.

    .. math::
        a_i = x_i + W_o \Bigl[\,\sum_j \mathop{\mathrm{softmax}}_j\Bigl(
        \frac{q_i^\top k_j}{\sqrt{d_h}} + w_{i - j}\Bigr)\, v_j\,\Bigr]^{\text{heads}}, \qquad
        y_i = a_i + W_2\, \mathrm{GELU}\bigl(W_1\, \mathrm{LN}(a_i)\bigr)

    The transformer block of CoAtNet: queries q, keys k and values v are linear in LN(x).  Plain
    attention weighs a pair of pixels i, j by what they hold alone, a depthwise convolution by the
    offset i − j alone; here the logit of a pair is the sum of both.  An offset counts rows and
    columns; each head learns one number w for each offset that occurs in a map of H_0 × W_0
    pixels, and w is the same whatever the map holds.

    For a map of another size the table of w is resized bilinearly, as in the paper where training
    goes on at a higher resolution: an offset then counts as a share of the map.

    Args:
        channels: channels of the map, C.
        table_height: rows of the map that the table is made for, H_0; 14 in the paper's first
            stage of such blocks, for images of 224 pixels a side, and 7 in its second.
        table_width: columns of that map, W_0; the same in the paper.
        head_dim: features that a head works on, d_h; 32 in the paper.
        expansion: how many times more features W_1 makes, e; 4 in the paper.

    Raises:
        ValueError: if a number is below 1, or `channels` is not a multiple of `head_dim`.
    """

    @typed
    def __init__(
        self,
        channels: int,
        table_height: int = 14,
        table_width: int = 14,
        head_dim: int = 32,
        expansion: int = 4,
    ):
        super().__init__()
        at_least(1, table_height=table_height, table_width=table_width, expansion=expansion)
        divides(head_dim=head_dim, channels=channels)
        self.channels, self.head_dim, self.heads = channels, head_dim, channels // head_dim
        self.table_height, self.table_width, self.expansion = table_height, table_width, expansion
        self.norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.table = nn.Parameter(
            torch.empty(self.heads, 2 * table_height - 1, 2 * table_width - 1)
        )
        nn.init.trunc_normal_(self.table, std=0.02)
        self.out = nn.Linear(channels, channels)
        self.feed = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, expansion * channels),
            nn.GELU(),
            nn.Linear(expansion * channels, channels),
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        height, width = x.shape[-2:]
        pixels = rearrange(x, "b c h w -> b (h w) c")
        pixels = pixels + self._attend(pixels, height, width)
        pixels = pixels + self.feed(pixels)
        return rearrange(pixels, "b (h w) c -> b c h w", h=height)

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch heads pixels keys"]:
        """What each pixel, row by row, gathers of the others; made for looking, not for speed."""
        query, key, _ = self._project(rearrange(x, "b c h w -> b (h w) c"))
        return biased_weights(query, key, self._bias(*x.shape[-2:]))

    def _attend(self, pixels: Tensor, height: int, width: int) -> Tensor:
        query, key, value = self._project(pixels)
        bias = self._bias(height, width)
        gathered = biased_attention(query, key, value, bias)
        # heads laid side by side; one view of them ONNX cannot make while height and width are free
        return self.out(torch.cat(gathered.unbind(dim=1), dim=-1))

    def _project(self, pixels: Tensor) -> list[Tensor]:
        parts = self.query_key_value(self.norm(pixels)).chunk(3, dim=-1)
        return [split_heads(part, self.heads) for part in parts]

    def _bias(self, height: int, width: int) -> Tensor:
        """w_{i−j} of each head for all pairs of pixels; its first axis the fused kernel needs."""
        [table] = resize(self.table[None], 2 * height - 1, 2 * width - 1)
        return relative_bias(table, height, width)[None]


CARD = Card(
    RelativeAttention,
    paper="dai2021coatnet",
    aliases=("coatnet",),
    elsewhere=("TransformerBlock2d",),
    networks=[("CoAtNet", "dai2021coatnet")],
    example=dict(channels=8, table_height=5, table_width=3, head_dim=2),
    variants=[
        *(dict(table_height=3), dict(table_width=6), dict(table_height=1, table_width=1)),
        *(dict(head_dim=4), dict(head_dim=8), dict(expansion=1)),
    ],
    sizes=dict(batch=2, height=5, width=3),
    params="(4 + 2 * expansion) * channels**2 + (9 + expansion) * channels"
    " + heads * (2 * table_height - 1) * (2 * table_width - 1)",
    macs="height * width * (4 + 2 * expansion) * channels**2 + 2 * (height * width)**2 * channels",
    memory="Max(heads * (height * width)**2 / batch,"
    " Max(3, expansion) * channels * height * width)",
    flow="""
        tokens := height * width
        norm x                              -> tokens channels                 # layer norm
        query, key, value = query_key_value -> heads tokens head_dim           # project
        upsample_bilinear2d table           -> heads (2*height-1) (2*width-1)  # resize
        w = index_select                    -> heads tokens tokens             # look up each pair
        logits = product query key          -> heads tokens tokens             # query · key
        plus logits w
        weights = softmax                                                      # softmax over keys
        product weights value               -> heads tokens head_dim           # weighted sum
        mixed = out                         -> tokens channels
        a = plus x mixed                    -> tokens channels
        feed.0                                                                 # layer norm
        feed.1                              -> tokens expansion*channels       # expand
        gelu
        fed = feed.3                        -> tokens channels                 # contract
        y = plus a fed                      -> channels height width
    """,
    rejects=[
        dict(channels=6),
        dict(channels=0, head_dim=2),
        *(dict(channels=32) | {n: 0} for n in ("table_height", "table_width", "head_dim")),
        dict(channels=32, expansion=-1),
    ],
    oracles=("timm.models.maxxvit.TransformerBlock2d",),
)
