"""Criss-cross attention (Huang et al., 2019)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, between
from attention_lib.core.precision import at_least_float32


class CrissCrossAttention(nn.Module):
    r"""Let every pixel attend to the pixels of its row and column at once, and do so twice.

    .. math::
        x \leftarrow x + \gamma \sum_{u \in \Omega_{ij}}
        \mathop{\mathrm{softmax}}_{u \in \Omega_{ij}} \bigl(q_{ij}^\top k_u\bigr)\, v_u
        \quad (R \text{ times}), \qquad
        \Omega_{ij} = \{(a, j)\} \cup \{(i, b)\}, \quad
        q = W_q x + b_q,\; k = W_k x,\; v = W_v x + b_v

    One softmax runs over the H + W - 1 pixels of a cross, in which the pixel itself counts once.
    Applied R = 2 times with the same weights, it lets every pixel hear from every other: what
    lies off the cross comes by way of a pixel on it.  The logits are not scaled.

    The factor γ, zero at the start, is in the authors' code only; the paper adds the sum to x as
    it is.  The code's bias of the keys is left out: it moves all logits of a pixel alike, and so
    changes nothing.

    Args:
        channels: channels of the map, C, coming in and going out; 512 in the authors' networks.
        reduction: queries and keys have C // r channels, r; 8 in the authors' code.
        recurrence: how often the map goes through the attention, R; 2 in the paper.

    Raises:
        ValueError: if fewer than one channel is left for the queries, or a number is below 1.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 8, recurrence: int = 2):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        at_least(1, recurrence=recurrence)
        self.channels, self.hidden, self.recurrence = channels, channels // reduction, recurrence
        self.reduction = reduction
        self.query = nn.Conv2d(channels, self.hidden, 1)
        self.key = nn.Conv2d(channels, self.hidden, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.zeros(1))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        for _ in range(self.recurrence):
            x = x + self.scale * self._gather(self.value(x), self.weights(x))
        return x

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch height width cross"]:
        """The weights of a pixel's cross, as the first time round: its column, then its row.

        The pixel itself has its weight in the row, and 0 in the column.
        """
        # in float16, which ends at 65504, products without a scale would overflow
        logits = at_least_float32(self._logits, self.query(x), self.key(x))
        return logits.softmax(dim=-1).to(x.dtype)

    def _logits(self, query: Tensor, key: Tensor) -> Tensor:
        columns = rearrange(query, "b c h w -> b w h c") @ rearrange(key, "b c h w -> b w c h")
        rows = rearrange(query, "b c h w -> b h w c") @ rearrange(key, "b c h w -> b h c w")
        place = torch.arange(query.shape[-2], device=query.device)
        columns = columns.masked_fill(place[:, None] == place, -torch.inf)
        return torch.cat([columns.transpose(1, 2), rows], dim=-1)

    def _gather(self, value: Tensor, weights: Tensor) -> Tensor:
        columns, rows = weights.split([*value.shape[-2:]], dim=-1)
        down = columns.transpose(1, 2) @ rearrange(value, "b c h w -> b w h c")
        across = rows @ rearrange(value, "b c h w -> b h w c")
        return rearrange(down, "b w h c -> b c h w") + rearrange(across, "b h w c -> b c h w")


CARD = Card(
    CrissCrossAttention,
    paper="huang2019ccnet",
    aliases=("ccnet",),
    elsewhere=("rcca",),
    networks=[("CCNet", "huang2019ccnet")],
    example=dict(channels=12, reduction=4),
    variants=[dict(recurrence=1), dict(recurrence=3), dict(reduction=12), dict(reduction=1)],
    sizes=dict(batch=2, height=7, width=5),
    params="channels**2 + 2 * channels * hidden + channels + hidden + 1",
    macs="recurrence * height * width * (channels**2 + 2 * channels * hidden)"
    " + recurrence * height * width * (height + width) * (channels + hidden)",
    memory="height * width * (height + width)",
    flow="""
        query = query x             -> hidden height width
        key = key x                 -> hidden height width
        product query key           -> width height height    # query · key, column
        others = masked_fill                                  # hide the pixel itself
        own = product query key     -> height width width     # query · key, row
        join others own             -> height width (height+width)
        down, across = softmax                                # softmax over keys
        value = value x             -> channels height width
        column = product down value -> width height channels  # weighted sum
        row = product across value  -> height width channels  # weighted sum
        cross = plus column row     -> channels height width
        scaled = times scale cross  -> channels height width
        z = plus x scaled
        y = [the same once more] z scale
    """,
    properties={properties.shift_equivariant, properties.mirror_equivariant},
    rejects=[
        dict(channels=7),
        dict(channels=16, reduction=17),
        dict(channels=16, reduction=0),
        dict(channels=16, recurrence=0),
    ],
    oracles=("mmcv.ops.cc_attention.CrissCrossAttention",),
)
