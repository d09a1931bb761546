"""Efficient Channel Attention (Wang et al., 2020)."""

from math import log2

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, odd


class EfficientChannelAttention(nn.Module):
    r"""Rescale each channel by a gate that has seen its neighbours among the channels.

    .. math::
        z_c = \frac{1}{HW} \sum_{i,j} x_{cij}, \qquad
        g_c = \sigma\Bigl(\sum_{t=1}^{k} w_t\, z_{c + t - (k+1)/2}\Bigr), \qquad
        y_{cij} = g_c\, x_{cij}

    The same squeeze as Squeeze-and-Excitation, but the two layers with their bottleneck are
    replaced by one small convolution along the channels: k weights, no bias, and zeros beyond
    the first and the last channel.  The order of the channels now matters.

    The paper's rule gives kernels 5, 5, 5, 7 in the four stages of a deep ResNet.  Those of the
    released models are chosen by hand: 3, 5, 5, 7 for ResNet-50, 3, 3, 5, 7 for 101 and 152 layers.

    Args:
        channels: channels of the map, C.
        kernel_size: channels that one gate reads, k, an odd number.  If None, k grows with
            the logarithm of C: see `adaptive_kernel_size`.

    Raises:
        ValueError: if `kernel_size` is even or below 1, or `channels` is below 1.
    """

    @typed
    def __init__(self, channels: int, kernel_size: int | None = None):
        super().__init__()
        at_least(1, channels=channels)
        kernel_size = adaptive_kernel_size(channels) if kernel_size is None else kernel_size
        odd(1, kernel_size=kernel_size)
        self.channels, self.kernel_size = channels, kernel_size
        self.mix = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return self._gate(x)[..., None, None] * x

    @shaped
    def gate(self, x: Maps) -> Float[Tensor, "batch channels"]:
        """The gate g of each channel, between 0 and 1."""
        return self._gate(x)

    def _gate(self, x: Tensor) -> Tensor:
        squeezed = x.mean(dim=(-2, -1))
        return self.mix(squeezed[:, None]).squeeze(1).sigmoid()


def adaptive_kernel_size(channels: int, gamma: float = 2, b: float = 1) -> int:
    """The odd number nearest to |log₂(C) / γ + b / γ|; of two, the larger, as the authors do.

    Args:
        channels: channels of the map, C, at least 1.
        gamma: how slowly the kernel grows, γ; 2 in the paper.
        b: where it starts; 1 in the paper.
    """
    return 2 * int(abs((log2(channels) + b) / gamma) / 2) + 1


CARD = Card(
    EfficientChannelAttention,
    paper="wang2020eca",
    aliases=("eca", "ecanet"),
    elsewhere=("ECAAttention", "EcaModule"),
    networks=[("ECA-Net", "wang2020eca")],
    example=dict(channels=16),
    variants=[dict(kernel_size=5), dict(kernel_size=1), dict(channels=3)],
    sizes=dict(batch=2, height=7, width=5),
    params="kernel_size",
    macs="channels * kernel_size",
    memory="channels * height * width",
    flow="""
        z = mean x    -> channels  # mean over places
        mix                        # mix: 1-D convolution
        g = sigmoid
        y = times g x -> channels height width
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[
        dict(channels=16, kernel_size=4),
        dict(channels=16, kernel_size=-1),
        dict(channels=0),
        dict(channels=-4, kernel_size=3),
    ],
    oracles=("timm.layers.EcaModule",),
)
