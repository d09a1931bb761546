"""Long short distance attention (Wang et al., 2022)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.precision import biased_attention, biased_weights
from attention_lib.core.relative_position import relative_bias
from attention_lib.core.windows import windows_fill


class LongShortDistanceAttention(nn.Module):
    r"""Let every place attend to G × G places: its neighbours, or some spread over the map.

    .. math::
        y_p = W_o \Bigl[\, \sum_{q \in \mathcal{G}(p)} \mathop{\mathrm{softmax}}_{q} \Bigl(
        \frac{Q_{ip}^\top K_{iq}}{\sqrt{d_h}} + b_i\Bigl(\frac{p - q}{I}\Bigr) \Bigr)\, V_{iq}
        \,\Bigr]_{i=1}^{h} + b_o

    The map is cut into groups of G × G places, and a place attends to its own group.  *Short
    distance*: I = 1, the groups are windows.  *Long distance*: a group takes every I-th row and
    column of a block of GI × GI, so the groups interleave.  A CrossFormer alternates the two.
    No table has the biases b of two places: a small network makes them of the steps between them.

    In the paper a map measures S = GI a side, and a long-distance group spans it; a larger map is
    tiled with such blocks, as in the authors' code.  Places beyond the edge of the map are hidden.
    The last layer of b needs no bias, as a softmax ignores it.

    Args:
        channels: channels of the map, C, coming in and going out; 64 in the first stage of the
            paper's smallest model.
        heads: heads, h; each works on d_h = C / h channels; 2 in that stage.
        group_size: places along a side of a group, G; 7 in the paper.
        interval: steps from a place of a group to the next, I; 1 for short distance; for long
            distance 8, 4, 2, 1 in the paper's stages.
        bias: whether Q, K and V have biases, as in the authors' code; the paper speaks of none.
        hidden: width of the network that makes b; if None, C / 4 as in the paper; C / 16 in the
            authors' code.

    Raises:
        ValueError: if C is not a multiple of `heads`, or a number is below 1, or `hidden` below 2.
    """

    @typed
    def __init__(
        self,
        channels: int,
        heads: int = 2,
        group_size: int = 7,
        interval: int = 1,
        bias: bool = False,
        hidden: int | None = None,
    ):
        super().__init__()
        at_least(1, group_size=group_size, interval=interval)
        divides(heads=heads, channels=channels)
        self.channels, self.heads = channels, heads
        self.group_size, self.interval, self.bias = group_size, interval, bias
        # the norm of a single number would be its bias alone
        self.hidden = max(channels // 4, 2) if hidden is None else hidden
        at_least(2, hidden=self.hidden)
        self.query_key_value = nn.Linear(channels, 3 * channels, bias=bias)
        self.position_bias = nn.Sequential(
            *(nn.Linear(2, self.hidden), nn.LayerNorm(self.hidden), nn.ReLU()),
            *(nn.Linear(self.hidden, self.hidden), nn.LayerNorm(self.hidden), nn.ReLU()),
            *(nn.Linear(self.hidden, self.hidden), nn.LayerNorm(self.hidden), nn.ReLU()),
            nn.Linear(self.hidden, heads, bias=False),
        )
        self.out = nn.Linear(channels, channels)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        filled = windows_fill(x, self.group_size * self.interval)
        return self._without_margin(x) if filled else self._with_margin(x)

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch groups heads members keys"]:
        """The weights in each group, whose members are read row by row; for looking, not for speed.

        Members beyond the edge of the map get none; what they themselves would gather is dropped.
        """
        query, key, _ = self._project(x)
        return biased_weights(query, key, self._masked_bias(x)).unflatten(1, (-1, self.heads))

    def _without_margin(self, x: Tensor) -> Tensor:
        """Where blocks fill the map, groups are a batch: they share the bias, and none hides."""
        sides = self._sides(x)
        groups = rearrange(x, "b c (r g i) (s k j) -> (b r i s j) (g k) c", **sides)
        projected = self.query_key_value(groups)
        query, key, value = rearrange(projected, "n m (t h d) -> t n h m d", t=3, h=self.heads)
        y = biased_attention(query, key, value, self._bias(x)[None])
        y = self.out(rearrange(y, "n h m d -> n m (h d)"))
        return rearrange(y, "(b r i s j) (g k) c -> b c (r g i) (s k j)", **sides)

    def _with_margin(self, x: Tensor) -> Tensor:
        """Where they may not, each group hides members of its own, beyond the edge."""
        query, key, value = self._project(x)
        y = biased_attention(query, key, value, self._masked_bias(x))
        y = rearrange(y, "b (r i s j h) (g k) d -> b (r g i) (s k j) (h d)", **self._sides(x))
        below, right = self._margin(x)
        return self.out(F.pad(y, (0, 0, 0, -right, 0, -below))).permute(0, 3, 1, 2)

    def _sides(self, x: Tensor) -> dict[str, int]:
        """How many blocks of GI × GI cover the map, and what a block is made of."""
        block, size, interval = self.group_size * self.interval, self.group_size, self.interval
        rows, columns = ((side + block - 1) // block for side in x.shape[-2:])
        return dict(r=rows, s=columns, g=size, k=size, i=interval, j=interval)

    def _margin(self, x: Tensor) -> tuple[int, int]:
        """How many rows and columns the blocks reach beyond the map."""
        block = self.group_size * self.interval
        # not -side % block: the exporter of torch 2.6 does not see that it is at least 0
        below, right = ((side + block - 1) // block * block - side for side in x.shape[-2:])
        return below, right

    def _project(self, x: Tensor) -> Tensor:
        """Query, key and value, (batch, groups · heads, members, head_dim)."""
        sides, (below, right) = self._sides(x), self._margin(x)
        projected = self.query_key_value(x.permute(0, 2, 3, 1))
        padded = F.pad(projected, (0, 0, 0, right, 0, below))
        grouped = "b (r g i) (s k j) (t h d) -> t b (r i s j h) (g k) d"
        return rearrange(padded, grouped, t=3, h=self.heads, **sides)

    def _bias(self, x: Tensor) -> Tensor:
        """What is added to the logits of a group, (heads, members, members)."""
        steps = torch.arange(1 - self.group_size, self.group_size, device=x.device)
        apart = torch.cartesian_prod(steps, steps).to(x.dtype)
        table = rearrange(self.position_bias(apart), "(u v) h -> h u v", u=len(steps))
        return relative_bias(table, self.group_size, self.group_size)

    def _masked_bias(self, x: Tensor) -> Tensor:
        """The same for each group, (1, groups · heads, members, members): -inf hides."""
        sides, (below, right) = self._sides(x), self._margin(x)
        real = F.pad(x.new_ones(x.shape[-2:], dtype=torch.bool), (0, right, 0, below))
        real = rearrange(real, "(r g i) (s k j) -> (r i s j) (g k)", **sides)
        # a member beyond the edge sees all: a group of nothing else would have no choice
        seen = real[:, None, :] | ~real[:, :, None]
        return self._bias(x).where(seen[:, None], -torch.inf).flatten(0, 1)[None]


CARD = Card(
    LongShortDistanceAttention,
    paper="wang2022crossformer",
    aliases=("crossformer", "lsda"),
    networks=[("CrossFormer", "wang2022crossformer")],
    example=dict(channels=12, heads=3, group_size=3),
    variants=[
        dict(interval=2),
        dict(group_size=2, interval=3),
        dict(heads=1),
        dict(group_size=1),
        dict(channels=7, heads=1),
        dict(bias=True),
        dict(hidden=2),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="4 * channels**2 + channels + bias * 3 * channels"
    " + 2 * hidden**2 + 11 * hidden + hidden * heads",
    macs="4 * channels**2 * height * width"
    " + 2 * channels * group_size**2 * (group_size * interval)**2"
    " * ceiling(height / (group_size * interval)) * ceiling(width / (group_size * interval))"
    " + (2 * group_size - 1)**2 * (2 * hidden + 2 * hidden**2 + hidden * heads) / batch",
    memory="Max(3 * channels, heads * group_size**2 / batch) * (group_size * interval)**2"
    " * ceiling(height / (group_size * interval)) * ceiling(width / (group_size * interval))",
    flow="""
        head_dim := channels / heads
        rows := ceiling(height / (group_size * interval))
        columns := ceiling(width / (group_size * interval))
        blocks := rows * columns * interval**2
        position_bias position_bias -> heads (2*group_size-1) (2*group_size-1)  # bias network
        index_select -> heads group_size**2 group_size**2  # look up each pair
        bias = where -> blocks*heads group_size**2 group_size**2  # hide beyond the map
        z = query_key_value x -> height width 3*channels  # project
        query, key, value = unbind -> blocks*heads group_size**2 head_dim  # cut into groups
        logits = product query key -> blocks*heads group_size**2 group_size**2  # query · key
        plus logits bias
        weights = softmax  # softmax over keys
        product weights value -> blocks*heads group_size**2 head_dim  # weighted sum
        y = out -> channels height width
    """,
    rejects=[
        dict(channels=12, heads=5),
        dict(channels=12, heads=0),
        dict(channels=-12, heads=3),
        dict(channels=12, group_size=0),
        dict(channels=12, interval=0),
        dict(channels=12, hidden=1),
    ],
    oracles=("vit_pytorch.crossformer.Attention",),
)
