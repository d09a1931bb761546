"""Vision Permutator (Hou et al., 2021)."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.branches import weighted_sum
from attention_lib.core.guards import at_least, between, divides


class VisionPermutator(nn.Module):
    r"""Mix a map along its height, its width and its channels, each by one plain layer.

    .. math::
        U_{1,(s i)} = R\, x_{(s i)}, \qquad U_{2,(s j)} = Q\, x_{(s j)}, \qquad U_3 = P\, x, \qquad
        a = \mathop{\mathrm{softmax}}_{n}\bigl(W_2\, \mathrm{GELU}(
        W_1\, \mathrm{mean}_{ij} \textstyle\sum_n U_n + b_1) + b_2\bigr), \qquad
        y = V \sum_n a_n U_n + b

    The weighted Permute-MLP.  The channels are dealt out to N = C / S groups of S neighbours.
    In each group and column, the layer R sees the S channels of all H rows at once, and makes as
    many new ones; Q does so in each group and row; and P in each place.  What is learned belongs
    to a place, and no token is compared with another.  A softmax over the three branches, one for
    each channel and set by their means, weighs them.

    In the paper maps are square, and N = H = W, so that all layers are C wide.  Here R is H S wide
    and Q is W S wide.  The gate's width and its GELU, and which layers have biases, are taken from
    the authors' code, which counts the groups, N, where `segment_size` is S.

    Args:
        channels: channels of the map, C.
        height: rows of the map, H.
        width: columns of the map, W.
        segment_size: neighbouring channels that are mixed together with the height or width, S;
            C / H in the paper, which is 8 at first in its middle and large models.
        reduction: how many times narrower than C the middle of the gate is, r; 4 in the authors'
            code.

    Raises:
        ValueError: if a number is below 1, if `channels` is not a multiple of `segment_size`, or
            if `reduction` is above `channels`.
    """

    @typed
    def __init__(
        self, channels: int, height: int, width: int, segment_size: int = 8, reduction: int = 4
    ):
        super().__init__()
        at_least(1, height=height, width=width)
        divides(segment_size=segment_size, channels=channels)
        between(1, reduction=reduction, channels=channels)
        self.channels, self.height, self.width = channels, height, width
        self.reduction = reduction
        self.segment_size, self.hidden = segment_size, channels // reduction
        self.mix_rows = nn.Conv1d(segment_size * height, segment_size * height, 1, bias=False)
        self.mix_columns = nn.Linear(segment_size * width, segment_size * width, bias=False)
        self.mix_channels = nn.Conv2d(channels, channels, 1, bias=False)
        self.squash = nn.Sequential(nn.Linear(channels, self.hidden), nn.GELU())
        self.excite = nn.Linear(self.hidden, 3 * channels)
        self.out = nn.Conv2d(channels, channels, 1)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        maps = self._branches(x)
        return self.out(weighted_sum(maps, self._weigh(maps)))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch branches channels"]:
        """The weights of height, width and channels in each channel; they sum to 1."""
        return self._weigh(self._branches(x))

    def _branches(self, x: Tensor) -> list[Tensor]:
        axes = dict(s=self.segment_size, n=self.channels // self.segment_size)
        rows = self.mix_rows(rearrange(x, "b (n s) h w -> (b n) (s h) w", **axes))
        columns = self.mix_columns(rearrange(x, "b (n s) h w -> b n h (s w)", **axes))
        return [
            rearrange(rows, "(b n) (s h) w -> b (n s) h w", **axes),
            rearrange(columns, "b n h (s w) -> b (n s) h w", **axes),
            self.mix_channels(x),
        ]

    def _weigh(self, maps: list[Tensor]) -> Tensor:
        # the mean of the sum is the sum of the means: the summed map is never made
        means = sum(branch_map.mean(dim=(2, 3)) for branch_map in maps)
        logits = self.excite(self.squash(means))
        return logits.unflatten(1, (3, self.channels)).softmax(dim=1)


CARD = Card(
    VisionPermutator,
    paper="hou2021permutator",
    aliases=("permutator", "vip"),
    elsewhere=("WeightedPermuteMLP",),
    networks=[("ViP", "hou2021permutator")],
    example=dict(channels=12, height=7, width=5, segment_size=3),
    variants=[
        dict(segment_size=12),
        dict(segment_size=1),
        dict(reduction=1),
        dict(reduction=5),
        dict(height=4),
        dict(width=8),
    ],
    sizes=dict(batch=2),
    params="segment_size**2 * (height**2 + width**2) + 2 * channels**2 + channels"
    " + 4 * hidden * channels + hidden + 3 * channels",
    macs="channels * height * width * (segment_size * (height + width) + 2 * channels)"
    " + 4 * hidden * channels",
    memory="channels * height * width",
    flow="""
        groups := channels / segment_size
        U1 = mix_rows x                 -> groups segment_size*height width  # mix height
        U2 = mix_columns x              -> groups height segment_size*width  # mix width
        U3 = mix_channels x                                                  # mix channels
        first = mean U1                 -> channels                          # mean of U₁
        second = mean U2                -> channels                          # mean of U₂
        third = mean U3                 -> channels                          # mean of U₃
        both = plus first second
        plus both third
        squash.0                        -> hidden                            # squash
        gelu
        excite                          -> 3*channels
        weights = softmax               -> 3 channels                        # softmax over branches
        [weighted sum] weights U1 U2 U3 -> channels height width             # weighted sum
        y = out
    """,
    rejects=[
        dict(channels=12, height=7, width=5, segment_size=5),
        dict(channels=12, height=0, width=5, segment_size=3),
        dict(channels=12, height=7, width=-5, segment_size=3),
        dict(channels=12, height=7, width=5, segment_size=0),
        dict(channels=12, height=7, width=5, segment_size=3, reduction=13),
        dict(channels=-8, height=7, width=5),
    ],
    oracles=("fightingcv_attention.attention.ViP.WeightedPermuteMLP",),
)
