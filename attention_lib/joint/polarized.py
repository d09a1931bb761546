"""Polarized Self-Attention (Liu et al., 2021)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.attention_pooling import pooled, position_weights
from attention_lib.core.guards import at_least


class PolarizedSelfAttention(nn.Module):
    r"""Gate channels by a mixture of places, and places by a mixture of channels.

    .. math::
        s = \sigma\Bigl(\mathrm{LN}\Bigl(W_z \sum_p \mathop{\mathrm{softmax}}_p(w_q^\top x_p)\,
            W_v x_p\Bigr)\Bigr), \qquad
        t_p(x) = \sigma\Bigl(\mathop{\mathrm{softmax}}_c(\mathrm{mean}_j W'_q x_j)^\top
            W'_v x_p\Bigr), \qquad
        y_p = s \odot x_p + t_p(x)\, x_p \quad\text{or}\quad t_p(s \odot x)\; s \odot x_p

    Each branch collapses one axis to a single query and keeps the other in full.  *Channel*: a
    softmax over the places says where to look, and what is seen there gives every channel a gate.
    *Place*: a softmax over C // 2 mixtures of channels says what to look for, and every place has a
    gate by how much of it is there.  The two stand side by side, or one behind the other.  W, w:
    projections without a bias; p, j: places; LN: LayerNorm over the channels.

    Both sums are linear in the values, so the values are projected after they are summed: W_v
    sees one vector of a map, and W'_v is folded to one vector, in place of one for each place.

    Args:
        channels: channels of the map, C.
        parallel: whether both branches read the map and their answers are added; if not, the
            places are gated by what the channel branch has made of it.
        released: whether it departs from the paper as the authors' code does.  The softmax of the
            place branch is over the places: of the gate's logits (in parallel) or of the values (in
            sequence).  The LayerNorm is missing (in parallel) or inside a bottleneck with C // 8
            units and biases, which stands for W_z (in sequence).

    Raises:
        ValueError: if `channels` is below 2, of which half is kept inside, or below 8 where an
            eighth is.
    """

    @typed
    def __init__(self, channels: int, parallel: bool = True, released: bool = False):
        super().__init__()
        narrow = released and not parallel
        at_least(8 if narrow else 2, channels=channels)
        self.channels, self.hidden, self.parallel = channels, channels // 2, parallel
        self.released, self.bottleneck = released, self.hidden // 4 if narrow else 0
        self.channel_query = nn.Conv2d(channels, 1, 1, bias=False)
        self.channel_value = nn.Linear(channels, self.hidden, bias=False)
        self.channel_out: nn.Module = nn.Linear(self.hidden, channels, bias=False)
        if narrow:
            self.channel_out = nn.Sequential(
                nn.Linear(self.hidden, self.bottleneck),
                nn.LayerNorm(self.bottleneck),
                nn.ReLU(),
                nn.Linear(self.bottleneck, channels),
            )
        self.norm = nn.Identity() if released else nn.LayerNorm(channels)
        self.spatial_query = nn.Linear(channels, self.hidden, bias=False)
        # W'_v, transposed where it makes one vector of the query
        wide = (channels, self.hidden) if narrow else (self.hidden, channels)
        self.spatial_value = nn.Linear(*wide, bias=False)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        gates = self.channel_gate(x)[..., None, None]
        if self.parallel:
            return (gates + self._spatial_gate(x)) * x
        gated = gates * x
        return self._spatial_gate(gated) * gated

    @shaped
    def channel_gate(self, x: Maps) -> Float[Tensor, "batch channels"]:
        """The gate s of each channel, between 0 and 1."""
        seen = pooled(x, position_weights(self.channel_query(x)))
        return self.norm(self.channel_out(self.channel_value(seen))).sigmoid()

    @shaped
    def spatial_gate(self, x: Maps) -> Float[Tensor, "batch height width"]:
        """The gate t of each place, between 0 and 1, as forward uses it."""
        read = x if self.parallel else self.channel_gate(x)[..., None, None] * x
        return self._spatial_gate(read).squeeze(1)

    def _spatial_gate(self, x: Tensor) -> Tensor:
        query, maps = self.spatial_query(x.mean(dim=(-2, -1))), x.flatten(-2)
        if self.bottleneck:
            values = self.spatial_value(maps.transpose(1, 2)).softmax(dim=1)
            logits = (values @ query[..., None]).transpose(1, 2)
        else:
            weights = query if self.released else query.softmax(dim=-1)
            wanted = self.spatial_value(weights)  # how much of each channel to look for
            logits = wanted[:, None] @ maps
            logits = logits.softmax(dim=-1) if self.released else logits
        return logits.unflatten(-1, x.shape[-2:]).sigmoid()


CARD = Card(
    PolarizedSelfAttention,
    paper="liu2021polarized",
    aliases=("polarized",),
    elsewhere=("psa", "ParallelPolarizedSelfAttention", "SequentialPolarizedSelfAttention"),
    example=dict(channels=12),
    variants=[
        *(dict(parallel=False), dict(channels=9), dict(channels=2)),
        *(dict(released=True), dict(released=True, parallel=False, channels=17)),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="4 * channels * hidden + 3 * channels - 2 * released * channels"
    " + Min(1, bottleneck) * (bottleneck * (hidden + channels + 3) + channels - channels * hidden)",
    macs="4 * channels * hidden + 3 * channels * height * width + Min(1, bottleneck)"
    " * (bottleneck * (hidden + channels) - 2 * channels * hidden"
    " + (channels * hidden + hidden - channels) * height * width)",
    memory="channels * height * width",
    flow="""
        channel_query x                 -> height width  # query
        places = softmax                -> height*width  # softmax over places
        mean x                          -> channels      # mean over places
        spatial_query                   -> hidden        # query
        features = softmax                               # softmax over channels
        product x places                -> channels      # weighted sum
        channel_value                   -> hidden        # value
        channel_out                     -> channels      # out
        norm                                             # layer norm
        s = sigmoid
        sought = spatial_value features -> channels      # value
        product sought x                -> height*width  # value · x
        t = sigmoid                     -> height width
        gates = plus s t                -> channels height width
        y = times gates x
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
    },
    rejects=[dict(channels=1), dict(channels=0), dict(channels=7, parallel=False, released=True)],
    oracles=("fightingcv_attention.attention.PolarizedSelfAttention",),
)
