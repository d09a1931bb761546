"""Small networks with a place for an attention module.

>>> model = SmallNet(classes=4, attention=SqueezeExcitation)
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmallNet(nn.Module):
    """Four convolutions, of which a unit sees 13 pixels; then a mean over all places and a choice.

    Args:
        classes: kinds of answers.
        attention: makes a module for so many channels, such as `SqueezeExcitation`; the module
            must keep the shape (batch, channels, height, width). None for no attention.
        after: the stages that get one: 1, at half of the height and width, 2, at a quarter, or
            both.
        widths: channels of stage 1 and of stage 2.

    Shapes: (batch, 3, height, width) to scores (batch, classes).

    Raises:
        ValueError: if `after` names another stage.
    """

    def __init__(
        self,
        classes: int,
        attention: Callable[[int], nn.Module] | None = None,
        after: Sequence[int] = (2,),
        widths: tuple[int, int] = (16, 64),
    ):
        super().__init__()
        if not set(after) <= {1, 2}:
            raise ValueError(f"after must name stages, 1 or 2, got {tuple(after)}")
        narrow, wide = widths
        attention = attention or (lambda channels: nn.Identity())
        self.stage1 = nn.Sequential(
            convolution(3, narrow, 5, stride=2), convolution(narrow, narrow, 3)
        )
        self.attention1 = attention(narrow) if 1 in after else nn.Identity()
        self.stage2 = convolution(narrow, wide, 3, stride=2)
        self.attention2 = attention(wide) if 2 in after else nn.Identity()
        self.mix = convolution(wide, wide, 1)
        # What fills little of a picture has a small mean: bring the means to one scale.
        self.head = nn.Sequential(nn.BatchNorm1d(wide), nn.Linear(wide, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.attention1(self.stage1(images))
        x = self.attention2(self.stage2(x))
        return self.head(self.mix(x).mean(dim=(-2, -1)))

    def seen(self, images: Tensor) -> Tensor:
        """What the attention of stage 2 is given: (batch, channels, height / 4, width / 4)."""
        return self.stage2(self.attention1(self.stage1(images)))


class TaggingNet(nn.Module):
    """Four convolutions, then a head that turns the map into a logit for each class.

    Args:
        head: makes it for so many channels; a mean over all places and a linear layer if None.
        classes: kinds of answers, of which several may be right.
        channels: of the map that the head is given.

    Shapes: (batch, 3, height, width) to scores (batch, classes).
    """

    def __init__(
        self,
        head: Callable[[int], nn.Module] | None = None,
        classes: int = 10,
        channels: int = 32,
    ):
        super().__init__()
        self.maps = nn.Sequential(
            convolution(3, 12, 3, stride=2),
            convolution(12, channels, 3),
            convolution(channels, channels, 3, stride=2),
            convolution(channels, channels, 1),
        )
        plain = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
        self.head = head(channels) if head else nn.Sequential(*plain)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.seen(images))

    def seen(self, images: Tensor) -> Tensor:
        """What the head is given: (batch, channels, height / 4, width / 4)."""
        return self.maps(images)


class SequenceNet(nn.Module):
    """A small language model: blocks of a mechanism that mixes tokens and a layer that does not.

    Args:
        vocabulary: kinds of tokens.
        choices: kinds of answers.
        mixer: makes a module for so many features, which keeps (batch, tokens, dim), such as
            `partial(MultiHeadAttention, heads=2)`.
        dim: features of a token.
        layers: blocks, each `x + mixer(norm(x))`, then `x + mlp(norm(x))`.
        positions: how many places are told apart by a learned vector for each, which is added to
            the tokens; 0 for none.
        before: how many tokens before it each token is first mixed with, feature by feature, by a
            causal convolution; 0 for none. A mechanism that looks up by content then needs no layer
            to put a key and the value behind it together.

    Shapes: tokens (batch, length) to scores (batch, length, choices).
    """

    def __init__(
        self,
        vocabulary: int,
        choices: int,
        mixer: Callable[[int], nn.Module],
        dim: int = 64,
        layers: int = 1,
        positions: int = 0,
        before: int = 0,
    ):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embed.weight, std=dim**-0.5)
        self.position = nn.Parameter(torch.randn(positions, dim) * dim**-0.5) if positions else None
        self.shift = nn.Conv1d(dim, dim, before + 1, groups=dim) if before else None
        if self.shift is not None:  # a random bias drowns the small vectors of the tokens
            nn.init.zeros_(self.shift.get_parameter("bias"))
        self.mixers = nn.ModuleList(mixer(dim) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2 * layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, choices))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.seen(tokens, len(self.mixers))
        return self.head(x)

    def seen(self, tokens: Tensor, layer: int) -> Tensor:
        """What block number `layer` is given, before its normalisation: (batch, length, dim)."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position[: x.shape[1]]
        if self.shift is not None:
            padded = F.pad(x.mT, (self.shift.kernel_size[0] - 1, 0))
            x = x + self.shift(padded).mT
        for i in range(layer):
            x = x + self.mixers[i](self.norms[2 * i](x))
            x = x + self.mlps[i](self.norms[2 * i + 1](x))
        return x


def convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


def receptive_field(net: SmallNet) -> int:
    """The height and width, in pixels, of what one place of the last map sees by convolution.

    Gates see the whole picture; they are not counted.  Of parallel branches the widest counts.
    """
    pixels, step = 1, 1
    for part in (*net.stage1, net.attention1, net.stage2, net.attention2, net.mix):
        widest, stride = 0, 1
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d):
                widest = max(widest, layer.dilation[0] * (layer.kernel_size[0] - 1))
                stride = max(stride, layer.stride[0])
        pixels, step = pixels + step * widest, step * stride
    return pixels


def parameters(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(parameter.numel() for parameter in model.parameters())
