"""Depthwise separable convolution (Howard et al., 2017)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, odd


class DepthwiseSeparable(nn.Module):
    r"""Let each channel look around by itself, then mix the channels of each place.

    .. math::
        y = \operatorname{ReLU}\bigl(\operatorname{BN}(K_{1 \times 1} * z)\bigr), \qquad
        z = \operatorname{ReLU}\bigl(\operatorname{BN}(D_k * x)\bigr)

    A convolution looks around and mixes channels in one step, k²CC' multiply-adds a place.  Here
    the two are apart: D has one k × k kernel for each channel, K none but a matrix, and a place
    costs k²C + CC'.  The kernels are the same at every place and for every input.

    Args:
        channels: channels of the map, C.
        out_channels: channels of the answer, C'; if None, as many as come in.
        kernel_size: side of the kernel, k; odd, 3 in the paper.
        stride: steps from one place that answers to the next; 2 in the paper where the map shrinks.

    Raises:
        ValueError: if one of these is below 1, or `kernel_size` is even.
    """

    @typed
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        stride: int = 1,
    ):
        super().__init__()
        out_channels = channels if out_channels is None else out_channels
        at_least(1, channels=channels, out_channels=out_channels, stride=stride)
        odd(1, kernel_size=kernel_size)
        self.channels, self.out_channels = channels, out_channels
        self.kernel_size, self.stride = kernel_size, stride
        self.look = nn.Conv2d(
            *(channels, channels, kernel_size, stride, kernel_size // 2),
            groups=channels,
            bias=False,
        )
        self.mix = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.look_norm, self.mix_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(out_channels)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self, x: Maps
    ) -> Float[Tensor, "batch out_channels ceil(height/stride) ceil(width/stride)"]:
        # a map is let go as soon as the next is made
        for step in (self.look, self.look_norm, F.relu, self.mix, self.mix_norm, F.relu):
            x = step(x)
        return x


CARD = Card(
    DepthwiseSeparable,
    paper="howard2017mobilenets",
    aliases=("depthwise_separable", "dsconv"),
    example=dict(channels=4, out_channels=6, stride=2),
    variants=[dict(stride=1), dict(stride=3), dict(kernel_size=5), dict(out_channels=None)],
    sizes=dict(batch=2, height=7, width=5),
    params="channels * (kernel_size**2 + 2) + out_channels * (channels + 2)",
    macs="channels * (kernel_size**2 + out_channels) * ceiling(height / stride)"
    " * ceiling(width / stride)",
    memory="Max(channels, out_channels) * ceiling(height / stride) * ceiling(width / stride)",
    flow="""
        rows := ceiling(height / stride)
        columns := ceiling(width / stride)
        look x -> channels rows columns      # depthwise k × k
        look_norm                            # batch norm
        z = relu
        mix    -> out_channels rows columns  # 1 × 1 convolution
        mix_norm                             # batch norm
        y = relu
    """,
    rejects=[
        dict(channels=0),
        dict(channels=4, out_channels=0),
        dict(channels=4, kernel_size=2),
        dict(channels=4, stride=0),
    ],
    oracles=("timm.models._efficientnet_blocks.DepthwiseSeparableConv",),
)
