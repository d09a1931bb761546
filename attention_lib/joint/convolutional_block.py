"""Convolutional Block Attention (Woo et al., 2018)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import between, odd
from attention_lib.core.max_and_mean import max_and_mean


class ConvolutionalBlockAttention(nn.Module):
    r"""Gate the channels of a map, and then the places of what is left.

    .. math::
        s = \sigma\Bigl(\mathrm{MLP}(\mathop{\mathrm{mean}}_{ij} x)
            + \mathrm{MLP}(\max_{ij} x)\Bigr), \qquad
        x'_{cij} = s_c\, x_{cij}, \qquad
        g = \sigma\Bigl(\mathrm{BN}\bigl(K * [\max_c x'; \mathop{\mathrm{mean}}_c x']\bigr)\Bigr),
        \qquad y_{cij} = g_{ij}\, x'_{cij}

    *Which feature?*  As in Squeeze-and-Excitation, but the two layers (W₂ ReLU W₁, narrow in the
    middle) are asked twice: about each channel's mean, and about its maximum.  *Which place?*
    The mean and the maximum over the gated channels make two pictures, which one large
    convolution turns into a gate for each place.

    The paper has no biases in the MLP, no normalisation, and the mean before the maximum in the
    brackets.  The authors' released models have biases in the MLP, a BatchNorm after the
    convolution (momentum 0.01), and the maximum first, which is here the default and the order.
    CBAM-ResNet-50 has 28.09 million parameters with these biases, 28.07 without.  There is no
    residual inside: the block that holds the attention adds its own.  In training mode, one
    sample of one place has no statistics, and BatchNorm says so.

    Args:
        channels: channels of the map, C.
        reduction: how many times narrower the middle is, r; the middle has C // r units.
            16 in the paper.
        kernel_size: size of the convolution, k, an odd number; 7 in the paper.
        bias: whether the two layers of the MLP have biases.

    Raises:
        ValueError: if fewer than one unit is left in the middle, or `kernel_size` is even or
            below 1.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7, bias: bool = True):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        odd(1, kernel_size=kernel_size)
        self.channels, self.hidden = channels, channels // reduction
        self.reduction, self.kernel_size, self.bias = reduction, kernel_size, bias
        self.squash = nn.Linear(channels, self.hidden, bias=bias)
        self.excite = nn.Linear(self.hidden, channels, bias=bias)
        self.mix = nn.Sequential(
            nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(1, momentum=0.01),
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        gated = self.channel_gate(x)[..., None, None] * x
        return self._spatial_gate(gated)[:, None] * gated

    @shaped
    def channel_gate(self, x: Maps) -> Float[Tensor, "batch channels"]:
        """The gate s of each channel, between 0 and 1."""
        squeezed = max_and_mean(x.flatten(-2), dim=2)
        return self.excite(self.squash(squeezed).relu()).sum(dim=1).sigmoid()

    @shaped
    def spatial_gate(self, x: Maps) -> Float[Tensor, "batch height width"]:
        """The gate g of each place, between 0 and 1, made from the channels after their gates."""
        return self._spatial_gate(self.channel_gate(x)[..., None, None] * x)

    def _spatial_gate(self, gated: Tensor) -> Tensor:
        return self.mix(max_and_mean(gated, dim=1)).squeeze(1).sigmoid()


CARD = Card(
    ConvolutionalBlockAttention,
    paper="woo2018cbam",
    aliases=("cbam",),
    elsewhere=("CBAMBlock", "CbamModule"),
    networks=[("ResNet-50 with it", "woo2018cbam")],
    example=dict(channels=12, reduction=3, kernel_size=3),
    variants=[
        dict(kernel_size=7),
        dict(kernel_size=1),
        dict(reduction=5),
        dict(reduction=12),
        dict(bias=False),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * floor(channels / reduction)"
    " + bias * (channels + floor(channels / reduction)) + 2 * kernel_size**2 + 2",
    macs="4 * channels * floor(channels / reduction) + 2 * kernel_size**2 * height * width",
    memory="channels * height * width",
    flow="""
        largest = max x        -> channels      # max over places
        average = mean x       -> channels      # mean over places
        squash largest average -> 2 hidden
        relu
        excite                 -> 2 channels
        sum                    -> channels      # sum of both
        s = sigmoid
        gated = times s x      -> channels height width
        high = max gated       -> height width  # max over channels
        middle = mean gated    -> height width  # mean over channels
        mix.0 high middle      -> height width  # k × k convolution
        mix.1                                   # batch norm
        g = sigmoid
        y = times g gated      -> channels height width
    """,
    properties={properties.only_attenuates},
    rejects=[
        dict(channels=8, reduction=9),
        dict(channels=8, reduction=0),
        dict(channels=16, kernel_size=4),
        dict(channels=16, kernel_size=-1),
    ],
    oracles=("timm.layers.cbam.CbamModule", "pytorchcv.models.cbamresnet.CbamBlock"),
)
