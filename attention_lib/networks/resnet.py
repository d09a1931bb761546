"""Residual network (He et al., 2016)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card, Preset
from attention_lib.cards.shape import shaped
from attention_lib.channel import EfficientChannelAttention, SqueezeExcitation
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides

Attention = Callable[[int], nn.Module]  # makes a module on maps of so many channels


class Bottleneck(nn.Module):
    """A block: 1×1, 3×3 and 1×1 convolution, attention where it is wanted, a shortcut beside them.

    Args:
        channels: of the map that comes in.
        inner: channels of the 3×3 convolution.
        out_channels: of the map that goes out.
        stride: steps between the positions that are answered.
        groups: of the 3×3 convolution.
        attention: makes a module that is applied before the shortcut is added; None for none.
        stride_in: the convolution that takes the steps, "1x1" or "3x3".

    Shapes: (batch, channels, height, width) to (batch, out_channels, height / stride, ...).
    """

    def __init__(
        self,
        channels: int,
        inner: int,
        out_channels: int,
        stride: int = 1,
        groups: int = 1,
        attention: Attention | None = None,
        stride_in: str = "3x3",
    ):
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(channels, inner, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, second, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.attention = attention(out_channels) if attention else nn.Identity()
        self.downsample: nn.Module = nn.Identity()
        if channels != out_channels or stride > 1:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn1(self.conv1(x)).relu()
        residual = self.bn2(self.conv2(residual)).relu()
        residual = self.attention(self.bn3(self.conv3(residual)))
        return (residual + self.downsample(x)).relu()


class ResNet(nn.Module):
    r"""Let each block add to what it was given, so that a deep network begins as a shallow one.

    .. math::
        x_{l+1} = \operatorname{ReLU}\bigl(A(F_l(x_l)) + W_l x_l\bigr), \qquad
        F = \operatorname{BN} K_{1 \times 1} \operatorname{ReLU} \operatorname{BN} K_{3 \times 3}
        \operatorname{ReLU} \operatorname{BN} K_{1 \times 1}

    A block learns a difference F.  Where it learns nothing, its input passes unchanged (W is the
    identity but in the first block of a stage), and so does the gradient.  Attention A, such as
    Squeeze-and-Excitation, rescales the difference before it is added.  The map is halved five
    times; the mean over its positions is classified.

    The names of the modules are those of torchvision and timm.

    Args:
        classes: logits that come out.
        depths: blocks of each stage; (3, 4, 6, 3) is ResNet-50.
        channels: of the stem; stage i gives 4 · 2ⁱ times as many, i = 0, 1, ...
        groups: of the 3×3 convolutions; 32 in ResNeXt-50 32×4d.
        group_width: channels of a group in the first stage, for a stem of 64; 4 in ResNeXt-50.
        attention: makes a module for so many channels, A; None for none.
        stride_in: the convolution of a block that takes the steps where a stage begins: "3x3", as
            torchvision has it, or "1x1", as the paper has it.

    Raises:
        ValueError: if one of the numbers is below 1, `groups` does not divide the inner channels,
            or `stride_in` is neither.
        TypeError: if what `attention` makes is no module.
    """

    @typed
    def __init__(
        self,
        classes: int = 1000,
        depths: Sequence[int] = (3, 4, 6, 3),
        channels: int = 64,
        groups: int = 1,
        group_width: int = 64,
        attention: Attention | None = None,
        stride_in: str = "3x3",
    ):
        super().__init__()
        at_least(1, classes=classes, depths=depths, channels=channels, group_width=group_width)
        inner = channels * group_width // 64 * groups
        divides(groups=groups, **{"inner channels": inner})
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f"stride_in={stride_in!r} must be '1x1' or '3x3'")
        self.classes, self.depths, self.channels = classes, depths, channels
        self.groups, self.group_width = groups, group_width
        self.attention, self.stride_in = attention, stride_in
        self.conv1 = nn.Conv2d(3, channels, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for stage, depth in enumerate(depths):
            wide, out_channels, blocks = 2**stage * inner, 2**stage * 4 * self.channels, []
            for block in range(depth):
                stride = 2 if stage and not block else 1
                blocks.append(
                    Bottleneck(channels, wide, out_channels, stride, groups, attention, stride_in)
                )
                if not isinstance(made := blocks[-1].attention, nn.Module):
                    raise TypeError(f"attention={attention!r} must make a module, not {made!r}")
                channels = out_channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, padding=1)
        for stage in range(len(self.depths)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.fc(x.mean(dim=(-2, -1)))


RESNEXT = dict(groups=32, group_width=4)
PARITY = (
    {"check_export": "torch 2.11 ties a max pooling with a stride to even or odd sizes"}
    if torch.__version__.startswith("2.11.")  # 2.6, 2.13 and 2.14 do not
    else {}
)
CARD = Card(
    ResNet,
    paper="he2016resnet",
    aliases=("residual_network",),
    elsewhere=("resnet", "ResNet50"),
    example=dict(classes=5, depths=(1, 2), channels=4, attention=EfficientChannelAttention),
    variants=[
        *(dict(stride_in="1x1"), dict(attention=None), dict(attention=SqueezeExcitation)),
        dict(groups=2, group_width=32),
    ],
    sizes=dict(batch=2, height=37, width=29),
    flow="""
        conv1 x    -> channels ceiling(height/2) ceiling(width/2)    # 7 × 7 convolution
        bn1                                                          # batch norm
        relu
        max_pool2d -> channels ceiling(height/4) ceiling(width/4)    # max of 3 × 3
        layer1     -> 4*channels ceiling(height/4) ceiling(width/4)  # residual blocks
        layer2     -> 8*channels ceiling(height/8) ceiling(width/8)  # residual blocks
        mean       -> 8*channels                                     # mean over places
        y = fc     -> classes                                        # classify
    """,
    presets={
        "resnet50": Preset({}, 25_557_032, 4_089_184_256),
        "resnet101": Preset(dict(depths=(3, 4, 23, 3)), 44_549_160, 7_801_405_440),
        "resnet152": Preset(dict(depths=(3, 8, 36, 3)), 60_192_808, 11_513_626_624),
        "resnext50_32x4d": Preset(RESNEXT, 25_028_904, 4_230_479_872),
        "seresnet50": Preset(dict(attention=SqueezeExcitation), 28_088_024, 4_091_699_200),
    },
    rejects=[
        *(dict(classes=0), dict(depths=(3, 0)), dict(channels=0), dict(group_width=0)),
        *(dict(groups=0), dict(stride_in="5x5")),
    ],
    oracles=("torchvision.models.resnet.ResNet", "timm.models.resnet.ResNet"),
    cannot=PARITY,
)
