"""Triplet Attention (Misra et al., 2020)."""

from einops import rearrange
from torch import nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, odd
from attention_lib.core.max_and_mean import max_and_mean


class TripletAttention(nn.Module):
    r"""Gate each number of a map by three views of it: along the height, the width, the channels.

    .. math::
        g^{cw} = \sigma(\mathrm{BN}(K^{cw} * Z_h x)), \quad
        g^{hc} = \sigma(\mathrm{BN}(K^{hc} * Z_w x)), \quad
        g^{hw} = \sigma(\mathrm{BN}(K^{hw} * Z_c x)), \qquad
        y_{cij} = \frac{g^{cw}_{cj} + g^{hc}_{ic} + g^{hw}_{ij}}{3}\, x_{cij}

    A map is a box with three axes.  Z looks at it along one of them and keeps two pictures of
    the other two: the maximum and the mean of what lies behind each other.  One small convolution
    makes these a gate for each place of the picture, and every number is scaled by the mean of
    the three gates that see it.  So channels meet rows and columns, as these meet one another.

    The paper rotates the box and rotates the answer back; here the pictures are turned instead,
    which are far smaller.  Two of the convolutions K run over neighbouring channels, and so depend
    on their order.  The statistics of BN (BatchNorm) move at the authors' momentum, 0.01.  In
    training mode, one sample of one place has none for the view along the channels, and BatchNorm
    says so.

    Args:
        channels: channels of the map, C.
        kernel_size: size of the three convolutions, k, an odd number; 7 in the paper.

    Raises:
        ValueError: if `kernel_size` is even or below 1, or `channels` is below 1.
    """

    @typed
    def __init__(self, channels: int, kernel_size: int = 7):
        super().__init__()
        at_least(1, channels=channels)
        odd(1, kernel_size=kernel_size)
        self.channels, self.kernel_size = channels, kernel_size
        self.channel_width, self.height_channel, self.height_width = (
            nn.Sequential(
                nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False),
                nn.BatchNorm2d(1, momentum=0.01),
                nn.Sigmoid(),
            )
            for _ in range(3)
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return self.gate(x) * x

    @shaped
    def gate(self, x: Maps) -> Maps:
        """The mean of the three gates that see each number, between 0 and 1."""
        along_height = self.channel_width(max_and_mean(x, dim=2))
        along_width = self.height_channel(max_and_mean(x, dim=3).transpose(-2, -1))
        along_channels = self.height_width(max_and_mean(x, dim=1))
        return (  # divided by 3 while they are small
            rearrange(along_height / 3, "b 1 c w -> b c 1 w")
            + rearrange(along_width / 3, "b 1 h c -> b c h 1")
            + along_channels / 3
        )


CARD = Card(
    TripletAttention,
    paper="misra2020triplet",
    aliases=("triplet",),
    networks=[("ResNet-50 with it", "misra2020triplet")],
    example=dict(channels=12, kernel_size=3),
    variants=[dict(kernel_size=7), dict(kernel_size=1), dict(channels=1)],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * (2 * kernel_size**2 + 2)",
    macs="2 * kernel_size**2 * (channels * width + height * channels + height * width)",
    memory="Max(2, channels) * height * width",
    flow="""
        [max and mean] x  -> 2 height width     # max and mean
        height_width.0    -> height width       # k × k kernel
        height_width.1                          # batch norm
        hw = sigmoid
        [max and mean] x  -> 2 channels width   # max and mean
        channel_width.0   -> channels width     # k × k kernel
        channel_width.1                         # batch norm
        cw = sigmoid
        [max and mean] x  -> 2 height channels  # max and mean
        height_channel.0  -> height channels    # k × k kernel
        height_channel.1                        # batch norm
        hc = sigmoid
        both = plus cw hc -> channels height width
        gate = add both hw                      # mean of the three
        y = times gate x
    """,
    properties={properties.only_attenuates},
    rejects=[
        dict(channels=12, kernel_size=4),
        dict(channels=12, kernel_size=-1),
        dict(channels=0),
    ],
    oracles=("holocron.nn.modules.attention.TripletAttention",),
)
