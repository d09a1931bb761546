"""Bottleneck Attention (Park et al., 2018)."""

import torch
from torch import nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, between


class BottleneckAttention(nn.Module):
    r"""Strengthen each number by a gate for which its channel and its place vote together.

    .. math::
        M^c = \mathrm{BN}\bigl(W_2\, h(W_1\, \mathrm{mean}_{ij} x)\bigr), \qquad
        M^s = \mathrm{BN}\bigl(K_3 * h(K_2 * h(K_1 * h(K_0 * x)))\bigr), \qquad
        y_{cij} = \bigl(1 + \sigma(M^c_c + M^s_{ij})\bigr)\, x_{cij}

    *Which feature?*  Two layers, narrow in the middle, turn the channels' means into a vote for
    each channel.  *Which place?*  Two dilated 3×3 convolutions between two 1×1, as narrow, look
    around each place and vote for it.  The votes are added, and a gate between 0 and 1 of the map
    is laid on top of the map itself.

    h is BatchNorm and ReLU, as in the authors' code; the paper's formulas show nothing between the
    layers.  A layer before a BatchNorm (BN) has no bias, which would be subtracted again.  The
    authors' code departs from the paper: it multiplies the votes, normalises neither, and has a
    bias in every layer.  Their released weights need `multiply`, which is all of that.

    Args:
        channels: channels of the map, C.
        reduction: how many times narrower the middle is, r; the middle has C // r units.
            16 in the paper.
        dilation: steps between the places that a 3×3 convolution reads; 4 in the paper.
        multiply: whether the votes are multiplied as in the authors' code: without the last
            BatchNorm of each, and with all the biases.

    Raises:
        ValueError: if fewer than one unit is left in the middle, or `dilation` is below 1.

    In training mode, a batch of one has no statistics for the votes of the channels, and
    BatchNorm says so.
    """

    @typed
    def __init__(
        self, channels: int, reduction: int = 16, dilation: int = 4, multiply: bool = False
    ):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        at_least(1, dilation=dilation)
        self.channels, self.hidden = channels, channels // reduction
        self.reduction = reduction
        self.dilation, self.multiply = dilation, multiply
        self.channel_branch = nn.Sequential(
            nn.Linear(channels, self.hidden, bias=multiply),
            nn.BatchNorm1d(self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, channels, bias=multiply),
            nn.Identity() if multiply else nn.BatchNorm1d(channels),
        )
        self.spatial_branch = nn.Sequential(
            nn.Conv2d(channels, self.hidden, 1, bias=multiply),
            nn.BatchNorm2d(self.hidden),
            nn.ReLU(),
            _dilated(self.hidden, dilation, bias=multiply),
            nn.BatchNorm2d(self.hidden),
            nn.ReLU(),
            _dilated(self.hidden, dilation, bias=multiply),
            nn.BatchNorm2d(self.hidden),
            nn.ReLU(),
            nn.Conv2d(self.hidden, 1, 1, bias=multiply),
            nn.Identity() if multiply else nn.BatchNorm2d(1),
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return torch.addcmul(x, self.gate(x), x)

    @shaped
    def gate(self, x: Maps) -> Maps:
        """The gate of each number, between 0 and 1; it is added to the 1 of the map itself."""
        channel, place = self.channel_branch(x.mean(dim=(-2, -1))), self.spatial_branch(x)
        combine = torch.mul if self.multiply else torch.add
        return combine(channel[..., None, None], place).sigmoid()


def _dilated(channels: int, dilation: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=bias)


CARD = Card(
    BottleneckAttention,
    paper="park2018bam",
    aliases=("bam",),
    elsewhere=("BAMBlock",),
    example=dict(channels=12, reduction=5, dilation=2),
    variants=[
        dict(multiply=True),
        dict(dilation=4),
        dict(dilation=1),
        dict(reduction=3),
        dict(reduction=12),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * channels * hidden + 18 * hidden**2 + (9 + 4 * multiply) * hidden"
    " + (2 - multiply) * (channels + 1)",
    macs="2 * channels * hidden + (channels * hidden + 18 * hidden**2 + hidden) * height * width",
    memory="channels * height * width",
    flow="""
        spatial_branch.0 x       -> hidden height width  # 1 × 1 convolution
        spatial_branch.1                                 # batch norm
        relu
        spatial_branch.3                                 # dilated 3 × 3
        spatial_branch.4                                 # batch norm
        relu
        spatial_branch.6                                 # dilated 3 × 3
        spatial_branch.7                                 # batch norm
        relu
        spatial_branch.9         -> height width         # 1 × 1 convolution
        place = spatial_branch.10                        # batch norm
        mean x                   -> channels             # mean over places
        channel = channel_branch -> channels             # squash and excite
        plus channel place       -> channels height width
        g = sigmoid
        y = addcmul x g                                  # x + g · x
    """,
    rejects=[
        dict(channels=8, reduction=9),
        dict(channels=8, reduction=0),
        dict(channels=16, dilation=0),
    ],
    oracles=("pytorchcv.models.bamresnet.BamBlock",),
)
