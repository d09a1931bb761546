"""Squeeze-and-Excitation (Hu et al., 2018)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import between


class SqueezeExcitation(nn.Module):
    r"""Rescale each channel by a gate that has seen the whole map.

    .. math::
        z_c = \frac{1}{HW} \sum_{i,j} x_{cij}, \qquad
        g = \sigma\bigl(W_2\, \mathrm{ReLU}(W_1 z + b_1) + b_2\bigr), \qquad
        y_{cij} = g_c\, x_{cij}

    *Squeeze*: each channel becomes one number, its mean z.  *Excite*: two small layers,
    narrow in the middle, turn these into a gate g between 0 and 1 for each channel.  A gate
    depends on the mean of every channel, and is the same at every place.

    The paper writes the layers without biases; the authors' released models have them, so they
    are on by default.  SE-ResNet-50 has 28.09 million parameters with them, 28.07 without.

    Args:
        channels: channels of the map, C.
        reduction: how many times narrower the middle is, r; the middle has C // r units.
            16 in the paper.
        bias: whether the two layers have biases.

    Raises:
        ValueError: if fewer than one unit is left in the middle.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 16, bias: bool = True):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        self.channels = channels
        self.reduction, self.bias = reduction, bias
        self.squash = nn.Linear(channels, channels // reduction, bias=bias)
        self.excite = nn.Linear(channels // reduction, channels, bias=bias)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return self.gate(x)[..., None, None] * x

    @shaped
    def gate(self, x: Maps) -> Float[Tensor, "batch channels"]:
        """The gate g of each channel, between 0 and 1."""
        squeezed = x.mean(dim=(-2, -1))
        return self.excite(self.squash(squeezed).relu()).sigmoid()


CARD = Card(
    SqueezeExcitation,
    paper="hu2018squeeze",
    aliases=("se", "senet"),
    elsewhere=("SEAttention", "SEModule", "SqueezeExcite"),
    networks=[
        ("SENet", "hu2018squeeze"),
        ("MobileNetV3", "howard2019mobilenetv3"),
        ("EfficientNet", "tan2019efficientnet"),
    ],
    example=dict(channels=16, reduction=3),
    variants=[dict(reduction=16), dict(bias=False)],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * floor(channels / reduction)"
    " + bias * (channels + floor(channels / reduction))",
    macs="2 * channels * floor(channels / reduction)",
    memory="channels * height * width",
    flow="""
        hidden := floor(channels / reduction)
        z = mean x    -> channels  # mean over places
        squash        -> hidden
        relu
        excite        -> channels
        g = sigmoid
        y = times g x -> channels height width
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[dict(channels=8, reduction=9), dict(channels=8, reduction=0)],
    oracles=("timm.layers.SEModule", "torchvision.ops.SqueezeExcitation"),
)
