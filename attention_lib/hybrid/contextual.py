"""Contextual Transformer (Li et al., 2021)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.around import neighborhood_attention
from attention_lib.core.branches import weighted_sum
from attention_lib.core.guards import at_least, between, divides, odd


class ContextualTransformer(nn.Module):
    r"""Let each pixel's surroundings decide how its neighbours are mixed.

    .. math::
        K^1 = \mathrm{ReLU}(\mathrm{BN}(W^k * x)), \qquad
        A = \mathrm{GN}\bigl(W_\delta\, \mathrm{ReLU}(\mathrm{BN}(W_\theta\, [K^1, x]))\bigr),
        \qquad K^2_{ijc} = f\Bigl(\sum_{t \in k \times k} A_{ij,\,c \bmod C/s,\,t}\;
        V_{ij + t,\,c}\Bigr), \qquad y = a_1 K^2 + a_2 K^1

    The *static* context K¹ is a convolution over k × k pixels.  From it and the pixel itself come,
    without any product of query and key, weights A for the k × k values V = BN(W^v x) around the
    pixel, which s channels share: the *dynamic* context K².  The *fusion* makes, of the means of
    both over the map, shares a_1 and a_2 that add up to 1 in each channel, as a selective kernel.

    f is BN, then swish; GN takes the k² weights of s channels, at all pixels, together.  All norms
    are as in the authors' code; a bias before the BN in its fusion, which BN undoes, is left out.

    Args:
        channels: channels of the map, C.
        kernel_size: side of the square of pixels that is read, k, odd; 3 in the paper.
        groups: groups of the convolution that makes the static context, G; 4 in the authors'
            code.
        share: channels that share their weights, s: c, c + C / s, c + 2 C / s, …; 8 in the
            authors' code.
        reduction: how many times narrower the middles of weights and fusion are, r; 2 in the
            authors' code.
        min_hidden: the least width of the middle of the fusion, L; 32 in the authors' code.

    Raises:
        ValueError: if a number is below 1, `channels` not a multiple of `groups` and of `share`,
            `kernel_size` even or below 3, or `reduction` above C.

    In training mode, a batch of one has no statistics for the fusion, and BatchNorm says so.
    """

    @typed
    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        groups: int = 4,
        share: int = 8,
        reduction: int = 2,
        min_hidden: int = 32,
    ):
        super().__init__()
        at_least(1, min_hidden=min_hidden)
        divides(groups=groups, channels=channels)
        divides(share=share, channels=channels)
        odd(3, kernel_size=kernel_size)
        between(1, reduction=reduction, channels=channels)
        self.channels, self.kernel_size, self.share = channels, kernel_size, share
        self.groups, self.reduction, self.min_hidden = groups, reduction, min_hidden
        self.planes, self.places = channels // share, kernel_size**2
        middle, reach = channels // reduction, kernel_size // 2
        self.hidden = max(middle, min_hidden)
        self.static = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size, 1, reach, groups=groups, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        # one 1 × 1 convolution of [K¹, x], as two of which the answers are added
        self.compare_static = nn.Conv2d(channels, middle, 1, bias=False)
        self.compare = nn.Conv2d(channels, middle, 1, bias=False)
        self.attend = nn.Sequential(
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, self.planes * self.places, 1),
            nn.GroupNorm(self.planes, self.planes * self.places),
        )
        self.value = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.normalize = nn.BatchNorm2d(channels)
        self.squash = nn.Sequential(
            nn.Linear(channels, self.hidden, bias=False), nn.BatchNorm1d(self.hidden), nn.ReLU()
        )
        self.excite = nn.Linear(self.hidden, 2 * channels)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        static = self.static(x)
        value = self.value(x).unflatten(1, (self.share, self.planes))
        mixed = neighborhood_attention(self._weights(x, static)[:, None], value, self.kernel_size)
        dynamic = F.silu(self.normalize(mixed.flatten(1, 2)))
        squeezed = dynamic.mean(dim=(-2, -1)) + static.mean(dim=(-2, -1))
        logits = self.excite(self.squash(squeezed)).unflatten(-1, (self.channels, 2))
        return weighted_sum([dynamic, static], logits.softmax(dim=-1).transpose(-2, -1))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch planes places height width"]:
        """The weights A of the k × k places around each pixel, row by row; they may be negative."""
        return self._weights(x, self.static(x))

    def _weights(self, x: Tensor, static: Tensor) -> Tensor:
        logits = self.attend(self.compare_static(static) + self.compare(x))
        return logits.unflatten(1, (self.planes, self.places))


CARD = Card(
    ContextualTransformer,
    paper="li2021cot",
    aliases=("cot", "cotnet"),
    elsewhere=("CoTAttention",),
    networks=[("CoTNet", "li2021cot")],
    example=dict(channels=8, share=4, reduction=2, min_hidden=7),
    variants=[
        *(dict(kernel_size=5), dict(groups=2), dict(share=2), dict(share=8)),
        *(dict(reduction=1), dict(reduction=3), dict(min_hidden=1)),
    ],
    sizes=dict(batch=2, height=5, width=3),
    params="kernel_size**2 * channels**2 / groups + channels**2 + 6 * channels"
    " + floor(channels / reduction) * (2 * channels + 2 + places * planes) + 3 * places * planes"
    " + hidden * (3 * channels + 2) + 2 * channels",
    macs="height * width * (kernel_size**2 * channels**2 / groups + channels**2"
    " + floor(channels / reduction) * (2 * channels + places * planes)) + 3 * hidden * channels",
    memory="Max(places * planes * height * width,"
    " channels * (height + kernel_size - 1) * (width + kernel_size - 1))",
    flow="""
        K1 = static x           -> channels height width                   # k × k conv, BN, ReLU
        around = compare_static -> floor(channels/reduction) height width  # 1 × 1 convolution
        own = compare x         -> floor(channels/reduction) height width  # 1 × 1 convolution
        plus around own
        A = attend              -> planes places height width              # BN, ReLU, 1 × 1, GN
        V = value x             -> channels height width                   # 1 × 1 conv, BN
        [weighted sum] A V      -> channels height width                   # weighted sum around
        normalize                                                          # batch norm
        K2 = silu
        first = mean K2         -> channels                                # mean over places
        second = mean K1        -> channels                                # mean over places
        plus first second
        squash                  -> hidden
        logits = excite         -> 2*channels
        a1, a2 = softmax        -> 2 channels                              # softmax over branches
        chosen = times a1 K2    -> channels height width
        y = addcmul chosen a2 K1                                           # plus a₂ · K₁
    """,
    rejects=[
        *(dict(channels=16, kernel_size=size) for size in (4, 1)),
        *(dict(channels=channels) for channels in (18, 12, 0)),
        *(dict(channels=16, groups=0), dict(channels=16, reduction=17)),
    ],
    oracles=("keras_cv_attention_models.cotnet.cotnet.cot_attention",),
)
