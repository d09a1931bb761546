"""Train small models in seconds: nets with a place for an attention module.

>>> model = SmallNet(classes=4, attention=SqueezeExcitation)
>>> fit(model, channel_cue(2048, seed=0), steps=100)
>>> accuracy(model, channel_cue(512, seed=1, split="test"))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention_lib.sequences import Sequences


@dataclass(frozen=True)
class Preset:
    """How much to train: steps a run, scenes to learn from, runs (each with a seed of its own)."""

    steps: int
    scenes: int
    seeds: int


PRESETS = {
    "ci": Preset(steps=800, scenes=8000, seeds=1),
    "laptop": Preset(steps=800, scenes=8000, seeds=3),
    "t4": Preset(steps=800, scenes=8000, seeds=8),
    "big": Preset(steps=1600, scenes=32000, seeds=20),
}


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
        self.answer = nn.Sequential(nn.BatchNorm1d(wide), nn.Linear(wide, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.attention1(self.stage1(images))
        x = self.attention2(self.stage2(x))
        return self.answer(self.mix(x).mean(dim=(-2, -1)))

    def seen(self, images: Tensor) -> Tensor:
        """What the attention of stage 2 is given: (batch, channels, height / 4, width / 4)."""
        return self.stage2(self.attention1(self.stage1(images)))


class Bottleneck(nn.Module):
    """The block of a ResNet-50: 1×1, 3×3 and 1×1 convolution, and a shortcut beside them.

    Args:
        inside: channels coming in; 4 · width go out.
        width: channels in the middle.
        stride: steps between the places that are answered.
        stride_in: the convolution that takes these steps, "1x1" or "3x3".

    Shapes: (batch, inside, height, width) to (batch, 4 · width, height / stride, width / stride).
    """

    def __init__(self, inside: int, width: int, stride: int = 1, stride_in: str = "3x3"):
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(inside, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if inside != 4 * width:
            shortcut = nn.Conv2d(inside, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn1(self.conv1(x)).relu()
        residual = self.bn2(self.conv2(residual)).relu()
        return (self.bn3(self.conv3(residual)) + self.downsample(x)).relu()


class ResNet50(nn.Module):
    """ResNet-50 (He et al., 2016), its modules named as in torchvision, whose weights it takes.

    Args:
        classes: kinds of answers.
        stride_in: the convolution of a block that takes the steps where a stage begins: "3x3", as
            torchvision has it, or "1x1", as the paper has it.

    Shapes: (batch, 3, height, width) to scores (batch, classes).

    Raises:
        ValueError: if `stride_in` names neither.
    """

    def __init__(self, classes: int = 1000, stride_in: str = "3x3"):
        super().__init__()
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f"stride_in={stride_in!r} must be '1x1' or '3x3'")
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = self._stage(3, 64, 64, 1, stride_in)
        self.layer2 = self._stage(4, 256, 128, 2, stride_in)
        self.layer3 = self._stage(6, 512, 256, 2, stride_in)
        self.layer4 = self._stage(3, 1024, 512, 2, stride_in)
        self.fc = nn.Linear(2048, classes)

    @staticmethod
    def _stage(blocks: int, inside: int, width: int, stride: int, stride_in: str) -> nn.Sequential:
        first = Bottleneck(inside, width, stride, stride_in)
        return nn.Sequential(first, *(Bottleneck(4 * width, width) for _ in range(blocks - 1)))

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(-2, -1)))


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
        self.place = nn.Parameter(torch.randn(positions, dim) * dim**-0.5) if positions else None
        self.shift = nn.Conv1d(dim, dim, before + 1, groups=dim) if before else None
        if self.shift is not None:  # a random bias drowns the small vectors of the tokens
            nn.init.zeros_(self.shift.get_parameter("bias"))
        self.mixers = nn.ModuleList(mixer(dim) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2 * layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(layers)
        )
        self.answer = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, choices))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.seen(tokens, len(self.mixers))
        return self.answer(x)

    def seen(self, tokens: Tensor, layer: int) -> Tensor:
        """What block number `layer` is given, before its normalisation: (batch, length, dim)."""
        x = self.embed(tokens)
        if self.place is not None:
            x = x + self.place[: x.shape[1]]
        if self.shift is not None:
            padded = F.pad(x.mT, (self.shift.kernel_size[0] - 1, 0))
            x = x + self.shift(padded).mT
        for i in range(layer):
            x = x + self.mixers[i](self.norms[2 * i](x))
            x = x + self.mlps[i](self.norms[2 * i + 1](x))
        return x


def at_the_end(scores: Tensor, answers: Tensor) -> Tensor:
    """The mean cross-entropy of a SequenceNet's scores at the places where answers are asked."""
    asked = scores[:, -answers.shape[1] :]
    return F.cross_entropy(asked.flatten(0, 1), answers.flatten())


def recalled(model: nn.Module, task: Sequences, batch: int = 64) -> float:
    """The share of right answers of a SequenceNet, 0 to 1."""
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        right = [
            (model(tokens.to(device))[:, -answers.shape[1] :].argmax(-1).cpu() == answers).float()
            for tokens, answers in zip(
                task.tokens.split(batch), task.answers.cpu().split(batch), strict=True
            )
        ]
    return torch.cat(right).mean().item()


COLOURS = ("brightness", "red-green", "yellow-blue")
SCALES = ("finest", "fine", "middle", "coarse")
BANDS = tuple(f"{scale} {colour}" for scale in SCALES for colour in COLOURS)


class Gate(Protocol):
    """A module that rescales maps by gates it can show."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def gate(self, x: Tensor) -> Tensor: ...


class Denoiser(nn.Module):
    """Take noise off a picture by turning down some of its twelve named bands.

    A fixed bank of filters parts the picture into detail of four scales in each of three colours,
    BANDS; their sum is the picture again.  All that is learned is how strongly each band passes:
    the attention module is given the size of each band at each place and returns it rescaled.

    Args:
        attention: makes a module for so many channels, such as `SqueezeExcitation`. None learns
            one constant between 0 and 1 for each band, the same for every picture.

    Shapes: (batch, 3, height, width) to the same.
    """

    colours: Tensor
    units: Tensor

    def __init__(self, attention: Callable[[int], Gate] | None = None):
        super().__init__()
        self.attention = attention(len(BANDS)) if attention else ConstantGate(len(BANDS))
        colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
        # orthonormal, so its transpose leads back to red, green and blue
        self.register_buffer("colours", colours / colours.norm(dim=1, keepdim=True))
        # Detail is about a tenth of the rest; a gate that reads both learns best from one scale.
        units = torch.tensor([0.1, 0.1, 0.1, 1.0]).repeat_interleave(len(COLOURS))
        self.register_buffer("units", units[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        bands = self.bands(images)
        kept = self.attention(bands.abs()) * bands.sign()
        by_colour = (kept * self.units).unflatten(1, (len(SCALES), len(COLOURS))).sum(dim=1)
        return torch.einsum("dc,bdhw->bchw", self.colours, by_colour)

    def bands(self, images: Tensor) -> Tensor:
        """The picture in BANDS, in `units`: (batch, 3, height, width) to (batch, 12, ...)."""
        rest = torch.einsum("dc,bchw->bdhw", self.colours, images)
        bands = []
        for spacing in (1, 2, 4):
            smooth = blur(rest, spacing)
            bands.append(rest - smooth)
            rest = smooth
        return torch.cat([*bands, rest], dim=1) / self.units

    def gates(self, images: Tensor) -> Tensor:
        """How strongly each band passes: (batch, 12), in the order of BANDS."""
        return self.attention.gate(self.bands(images).abs())


class ConstantGate(nn.Module):
    """One learned gate between 0 and 1 for each channel, whatever the input."""

    def __init__(self, channels: int):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x)[..., None, None] * x

    def gate(self, x: Tensor) -> Tensor:
        """The gates, (batch, channels)."""
        return self.logits.sigmoid().expand(len(x), -1)


def blur(x: Tensor, spacing: int) -> Tensor:
    """Each channel smoothed with weights 1 2 1 along rows and columns, `spacing` pixels apart."""
    weights = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype, device=x.device) / 4
    kernel = torch.outer(weights, weights).expand(x.shape[1], 1, 3, 3)
    padded = F.pad(x, (spacing,) * 4, mode="replicate")
    return F.conv2d(padded, kernel, dilation=spacing, groups=x.shape[1])


def signal_to_noise(answer: Tensor, truth: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of each picture with values 0 to 1, in decibel: (batch,)."""
    return -10 * (answer - truth).square().mean(dim=(1, 2, 3)).log10()


def reach(net: SmallNet) -> int:
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


def convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


def fit(
    model: nn.Module,
    data: Sequence[Tensor],
    steps: int,
    batch: int = 16,
    rate: float = 1e-2,
    seed: int = 0,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    progress: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train `model` where it is, in place, and return it ready for use (`eval`).

    AdamW with a learning rate that rises to `rate` over a fifth of the steps, then falls to zero.

    Args:
        data: inputs and targets, the first two of `data`; both (samples, ...).
        steps: batches to train on, 10 or more.
        batch: samples a step.
        rate: the highest learning rate.
        seed: of the order of the samples.
        loss: of the model's answer and the targets.
        progress: called after each step with the steps done and the loss.

    Raises:
        ValueError: if there are too few steps for the rate to rise and fall.
    """
    if steps < 10:
        raise ValueError(f"steps={steps} must be at least 10")
    inputs, targets = data[0], data[1]
    device = next(model.parameters()).device
    # Pixels first, channels last: grouped convolutions train four times as fast on a CPU.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch forgot it
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.2
    )
    model.train()
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, steps + 1):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(len(inputs), generator=generator)])
        chosen, order = order[:batch], order[batch:]
        error = loss(model(inputs[chosen].to(device)), targets[chosen].to(device))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(step, error.item())
    return model.eval()


def accuracy(model: nn.Module, data: Sequence[Tensor], batch: int = 256) -> float:
    """The share of right answers, 0 to 1."""
    inputs, targets = data[0], data[1]
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        answers = torch.cat(
            [model(part.to(device)).argmax(-1).cpu() for part in inputs.split(batch)]
        )
    return (answers == targets.cpu()).float().mean().item()
