"""Deformable attention of one scale (Xia et al., 2022)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import above, at_least, divides, odd
from attention_lib.core.precision import biased_attention


class DeformableAttention(nn.Module):
    r"""Let the map itself choose the places that all its pixels attend to.

    .. math::
        y_p = W_o \bigl[\, \sum_n \mathrm{softmax}_n\bigl(Q_{ip}^\top K_{in} / \sqrt{d_h}
        + \hat B_i(p - r_n - \Delta_n)\bigr)\, V_{in} \,\bigr]_{i=1}^{h}, \qquad
        \Delta_n = \rho \tanh \theta(Q)_n, \quad
        K_n = W_k\, x(r_n + \Delta_n), \; V_n = W_v\, x(r_n + \Delta_n)

    Reference points r lie on an even grid, one for each s × s pixels.  A small network θ sees the
    queries Q = W_q x around a point and moves it; keys and values are read there, between pixels
    if need be, so that offsets have gradients.  Each group of channels moves the points its own
    way.  The table of biases too is read between its entries, B̂_i, at the steps from key to pixel.

    Rows and columns run from -1 to 1 on map and grid, with zeros beyond; an offset stays below
    ρ / rows (columns) of the grid.  The authors' layer norm in θ is kept.  Their first release has
    its grid half a cell inside the map; their present one is `bias` and `clamp`.

    Args:
        channels: channels of the map, C; 512 in the third stage of DAT-B, as are the other values.
        heads: heads, h, each of C / h channels; 16.
        groups: groups of channels with points of their own, G; 4.
        kernel_size: rows and columns of queries that an offset depends on, k, odd; 5.
        stride: pixels from a reference point to the next, s; 2, but 1 in the authors' first
            settings, and 8, 4, 2, 1 in the stages of the present ones.
        offset_range: how far a point may move, ρ; 2.
        table_height: rows of the map that the table of biases is made for, H_0; 14.
        table_width: its columns, W_0; 14.
        bias: whether the projections have biases, as in the authors' code.
        clamp: whether offsets have no range, and points beyond the map are moved to its edge, on a
            grid that lies half a step further to the right and below, as in the authors' code.

    Raises:
        ValueError: if h does not divide C, or G not h; if k is even; if a number is not above 0.
    """

    @typed
    def __init__(
        self,
        channels: int,
        heads: int = 16,
        groups: int = 4,
        kernel_size: int = 5,
        stride: int = 2,
        offset_range: float = 2.0,
        table_height: int = 14,
        table_width: int = 14,
        bias: bool = False,
        clamp: bool = False,
    ):
        super().__init__()
        divides(heads=heads, channels=channels)
        divides(groups=groups, heads=heads)
        odd(1, kernel_size=kernel_size)
        at_least(1, stride=stride, table_height=table_height, table_width=table_width)
        above(0, offset_range=offset_range)
        self.channels, self.heads, self.groups = channels, heads, groups
        self.kernel_size, self.stride, self.table_height, self.table_width = (
            kernel_size,
            stride,
            table_height,
            table_width,
        )
        self.offset_range, self.bias, self.clamp = offset_range, bias, clamp
        share, padding = channels // groups, kernel_size // 2
        self.query = nn.Conv2d(channels, channels, 1, bias=bias)
        self.gather = nn.Conv2d(share, share, kernel_size, stride, padding, groups=share)
        self.norm = nn.LayerNorm(share)
        self.offset = nn.Linear(share, 2, bias=False)  # row and column
        self.key_value = nn.Linear(channels, 2 * channels, bias=bias)
        steps = 2 * table_height - 1, 2 * table_width - 1
        self.position_bias = nn.Parameter(torch.empty(heads, *steps))
        self.out = nn.Conv2d(channels, channels, 1, bias=bias)
        nn.init.trunc_normal_(self.position_bias, std=0.01)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        query = self.query(x)
        points = self._points(query)
        read = F.grid_sample(self._grouped(x), points, align_corners=True)
        read = rearrange(read, "(b g) c u v -> b (u v) (g c)", g=self.groups)
        key, value = self.key_value(read).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query = rearrange(query, "b (h d) i j -> b h (i j) d", h=self.heads).contiguous()
        y = biased_attention(query, key, value, self._bias(x, points))
        return self.out(y.transpose(-2, -1).reshape(x.shape))

    @shaped
    def points(self, x: Maps) -> Float[Tensor, "batch groups rows columns 2"]:
        """Row and column, from -1 to 1, of each place where a group reads keys and values."""
        return self._points(self.query(x)).flip(-1).unflatten(0, (-1, self.groups))

    def _points(self, query: Tensor) -> Tensor:
        """Where each group reads, column first: (batch · groups, rows, columns, 2)."""
        around = self.gather(self._grouped(query)).movedim(1, -1)
        row, column = self.offset(F.gelu(self.norm(around))).unbind(-1)
        row = self._moved(row.transpose(1, 2)).transpose(1, 2)
        return torch.stack([self._moved(column), row], dim=-1)

    def _moved(self, offset: Tensor) -> Tensor:
        """The places of the grid along the last axis, moved."""
        size = offset.shape[-1]
        if self.clamp:
            return (_even(size, offset) + 1 / max(size - 1, 1) + offset).clamp(-1, 1)
        return _even(size, offset) + offset.tanh() * self.offset_range / size

    def _bias(self, x: Tensor, points: Tensor) -> Tensor:
        """The table of each head, read at half the way from each point to each pixel."""
        row, column = (_even(size, x) for size in x.shape[-2:])
        place = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1).flatten(0, 1)
        steps = place[:, None] / 2 - points.flatten(1, 2)[:, None] / 2
        tables = self._grouped(self.position_bias.expand(x.shape[0], -1, -1, -1))
        bias = F.grid_sample(tables, steps, align_corners=True)
        return rearrange(bias, "(b g) h p n -> b (g h) p n", g=self.groups)

    def _grouped(self, x: Tensor) -> Tensor:
        return rearrange(x, "b (g c) i j -> (b g) c i j", g=self.groups)


def _even(size: int, like: Tensor) -> Tensor:
    """Places at even steps from -1 to 1; a single one lies at 0."""
    steps = torch.arange(size, device=like.device, dtype=like.dtype)
    return (2 * steps - steps[-1]) / steps[-1].clamp(min=1)


CARD = Card(
    DeformableAttention,
    paper="xia2022dat",
    aliases=("dat",),
    elsewhere=("DAttentionBaseline",),
    networks=[("DAT", "xia2022dat")],
    example=dict(
        channels=12, heads=4, groups=2, kernel_size=3, stride=2, table_height=5, table_width=3
    ),
    variants=[
        *(dict(heads=2), dict(groups=1), dict(kernel_size=5), dict(stride=3)),
        *(dict(offset_range=7.0), dict(table_height=1), dict(table_width=7)),
        *(dict(bias=True), dict(clamp=True)),
    ],
    sizes=dict(batch=2, height=5, width=3),
    params="4 * channels**2 + bias * 4 * channels + channels / groups * (kernel_size**2 + 5)"
    " + heads * (2 * table_height - 1) * (2 * table_width - 1)",
    macs="2 * channels**2 * height * width + (2 * channels * height * width + 2 * channels**2"
    " + channels * (kernel_size**2 + 2)) * ceiling(height / stride) * ceiling(width / stride)",
    memory="Max(heads, 2 * groups) * height * width"
    " * ceiling(height / stride) * ceiling(width / stride)",
    flow="""
        rows := ceiling(height / stride)
        columns := ceiling(width / stride)
        head_dim := channels / heads
        query = query x -> channels height width
        gather -> groups channels/groups rows columns  # k × k depthwise
        norm -> groups rows columns channels/groups  # layer norm
        gelu
        offset = offset -> groups rows columns 2
        points = [even grid + ρ tanh] offset
        read = grid_sampler x points -> groups channels/groups rows columns  # read at the points
        key, value = key_value -> heads rows*columns head_dim  # project
        steps = sub points -> groups height*width rows*columns 2  # pixel − point
        bias = grid_sampler position_bias steps -> heads height*width rows*columns  # read the table
        logits = product query key -> heads height*width rows*columns  # query · key
        plus logits bias
        weights = softmax  # softmax over keys
        product weights value -> heads height*width head_dim  # weighted sum
        y = out -> channels height width
    """,
    rejects=[
        *(dict(channels=12, heads=5, groups=1), dict(channels=16, kernel_size=4)),
        *(dict(channels=16, stride=0), dict(channels=16, offset_range=0.0)),
        dict(channels=16, table_width=0),
    ],
    oracles=("fightingcv_attention.attention.DAT.DAttentionBaseline",),
)
