"""Double attention (Chen et al., 2018)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least


class DoubleAttention(nn.Module):
    r"""Gather the whole map into a few descriptors, and let each place choose among them.

    .. math::
        \alpha_{sp} = \underset{p}{\mathrm{softmax}}(W_\alpha x_p)_s, \qquad
        \rho_{sp} = \underset{s}{\mathrm{softmax}}(W_\rho x_p)_s, \qquad
        g_s = \sum_p \alpha_{sp}\, W_f x_p, \qquad
        y_p = W_o \sum_{s=1}^{n} \rho_{sp}\, g_s

    *Gather*: each of the n attention maps is a softmax over the places p, and pools the features
    W_f x into one descriptor g, wherever on the map they lie.  *Distribute*: each place mixes the
    descriptors by a softmax over these.  It is attention of each place to every other, with
    weights that are the product of both softmaxes; but summed in this order, the weights of the
    (HW)² pairs are never made.

    Both weights sum to one, so that `feature` and `out`, biases included, may be applied to the
    n pooled vectors instead of the HW places: cheaper wherever n ≤ m and C ≤ HW.  `gather` has
    no bias: the softmax over the places would cancel it.  The residual belongs to the block
    around this.

    Args:
        channels: channels of the map, C.
        feature_channels: features that are gathered, m; None is C // 4.
        attention_maps: descriptors, and maps that gather them, n; None is C // 4.

    Raises:
        ValueError: if a number is below 1.
    """

    @typed
    def __init__(
        self,
        channels: int,
        feature_channels: int | None = None,
        attention_maps: int | None = None,
    ):
        super().__init__()
        at_least(4 if None in (feature_channels, attention_maps) else 1, channels=channels)
        feature_channels = channels // 4 if feature_channels is None else feature_channels
        attention_maps = channels // 4 if attention_maps is None else attention_maps
        at_least(1, feature_channels=feature_channels, attention_maps=attention_maps)
        self.channels = channels
        self.feature_channels, self.attention_maps = feature_channels, attention_maps
        self.feature = nn.Conv2d(channels, feature_channels, 1)
        self.gather = nn.Conv2d(channels, attention_maps, 1, bias=False)
        self.distribute = nn.Conv2d(channels, attention_maps, 1)
        self.out = nn.Conv2d(feature_channels, channels, 1)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        pooled = x.flatten(2) @ self.gathering(x).flatten(2).transpose(-2, -1)
        descriptors = self.out(self.feature(pooled[..., None])).squeeze(-1)
        y = descriptors @ self.distribution(x).flatten(2)
        return y.unflatten(-1, x.shape[2:])

    @shaped
    def gathering(self, x: Maps) -> Float[Tensor, "batch attention_maps height width"]:
        """The share of each place in each descriptor; a map of them sums to one."""
        return self.gather(x).flatten(2).softmax(dim=-1).unflatten(-1, x.shape[2:])

    @shaped
    def distribution(self, x: Maps) -> Float[Tensor, "batch attention_maps height width"]:
        """The share of each descriptor in the answer at a place; those of a place sum to one."""
        return self.distribute(x).softmax(dim=1)


CARD = Card(
    DoubleAttention,
    paper="chen2018double",
    aliases=("a2", "double"),
    elsewhere=("A2-Net", "A2Attention"),
    networks=[("ResNet-50 with it (A²-Net)", "chen2018double")],
    example=dict(channels=12, feature_channels=5, attention_maps=3),
    variants=[
        dict(feature_channels=None),
        dict(attention_maps=None),
        dict(feature_channels=2, attention_maps=17),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * (feature_channels + attention_maps)"
    " + channels + feature_channels + attention_maps",
    macs="4 * channels * attention_maps * height * width"
    " + 2 * channels * feature_channels * attention_maps",
    memory="height * width * Max(channels, attention_maps)",
    flow="""
        gather x             -> attention_maps height width
        α = softmax                                      # softmax over places
        pooled = product x α -> channels attention_maps  # weighted sum
        g = feature          -> feature_channels attention_maps
        made = out           -> channels attention_maps
        distribute x         -> attention_maps height width
        ρ = softmax                                      # softmax over descriptors
        y = product made ρ   -> channels height width    # weighted sum
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
    },
    rejects=[
        dict(channels=0),
        dict(channels=3),
        dict(channels=3, feature_channels=1),
        dict(channels=3, attention_maps=1),
        dict(channels=8, feature_channels=0),
        dict(channels=8, attention_maps=0),
    ],
)
