"""ParNet Attention (Goyal et al., 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least
from attention_lib.core.precision import wide


class ParNetAttention(nn.Module):
    r"""Add a gated copy of the map to what two convolutions make of it.

    .. math::
        z = \mathrm{BN}_3(x), \qquad
        y = \mathrm{SiLU}\bigl(\mathrm{BN}_1(K_{1\times1} * x) + \mathrm{BN}_2(K_{3\times3} * x)
            + \sigma(W\, \mathrm{mean}_{ij} z) \odot z\bigr)

    As in a RepVGG block, a 1×1 convolution, a 3×3 convolution and the map itself (the *skip*) are
    normalised and added; new is a gate for each channel of the skip.  A network of few layers sees
    little of the map at a time; the gate has seen all of it.  As it stands on the skip and not
    behind the sum, it adds nothing to the depth.

    W is one layer from C to C.  As in the authors' code, neither it nor the convolutions K have a
    bias, and the gate reads the map behind its BatchNorm (BN).  Once trained, both convolutions and
    their normalisations are one 3×3 convolution with a bias: see `folded`.  In training mode, one
    sample of one place has no statistics, and BatchNorm says so.

    Args:
        channels: channels of the map, C.

    Raises:
        ValueError: if `channels` is below 1.
    """

    @typed
    def __init__(self, channels: int):
        super().__init__()
        at_least(1, channels=channels)
        self.channels = channels
        self.point = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.square = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.skip = nn.BatchNorm2d(channels)
        self.excite = nn.Linear(channels, channels, bias=False)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        skip = self.skip(x)
        gate = self._gate(skip)[..., None, None]
        # wide, as SiLU makes little of a sum far below zero, but nothing of -inf
        total = torch.addcmul(wide(self.point(x)) + self.square(x), gate, skip)
        return F.silu(total).to(x.dtype)

    @shaped
    def gate(self, x: Maps) -> Float[Tensor, "batch channels"]:
        """The gate of each channel on the skip connection, between 0 and 1."""
        return self._gate(self.skip(x))

    def _gate(self, skip: Tensor) -> Tensor:
        return self.excite(skip.mean(dim=(-2, -1))).sigmoid()

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The one 3×3 convolution that does what both do in eval mode, with their norms.

        Raises:
            ValueError: in training mode, whose statistics are new with each batch.
        """
        if self.training:
            raise ValueError(f"training={self.training}: only eval mode can be folded")
        point, square = fuse_conv_bn_eval(*self.point), fuse_conv_bn_eval(*self.square)
        square.weight += F.pad(point.weight, (1, 1, 1, 1))  # a 1×1 is the centre of a 3×3
        square.bias += point.bias
        return square


CARD = Card(
    ParNetAttention,
    paper="goyal2021parnet",
    aliases=("parnet",),
    networks=[("ParNet", "goyal2021parnet")],
    example=dict(channels=6),
    variants=[dict(channels=1), dict(channels=9)],
    sizes=dict(batch=2, height=7, width=5),
    params="11 * channels**2 + 6 * channels",
    macs="10 * channels**2 * height * width + channels**2",
    memory="channels * height * width",
    flow="""
        z = skip x        # batch norm
        mean -> channels  # mean over places
        excite
        s = sigmoid
        point.0 x         # 1 × 1 kernel
        one = point.1     # batch norm
        square.0 x        # 3 × 3 kernel
        three = square.1  # batch norm
        both = plus one three
        addcmul both s z  # plus s · z
        y = silu
    """,
    rejects=[dict(channels=0)],
    oracles=("fightingcv_attention.attention.ParNetAttention.ParNetAttention",),
)
