"""Take noise off a picture by gates on named bands of it."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COLOURS = ("brightness", "red-green", "yellow-blue")
SCALES = ("finest", "fine", "middle", "coarse")
BANDS = tuple(f"{scale} {colour}" for scale in SCALES for colour in COLOURS)


class Gate(Protocol):
    """A module that rescales maps by gates it can show."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def gate(self, x: Tensor) -> Tensor: ...


class Denoiser(nn.Module):
    """Take noise off a picture by turning down some of its twelve named bands.

    A fixed bank of filters parts the picture into detail of three scales and the coarse rest, in
    each of three colours, BANDS; their sum is the picture again.  All that is learned is how
    strongly each band passes: the attention module is given the size of each band at each place
    and returns it rescaled.

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


def psnr(answer: Tensor, truth: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of each picture with values 0 to 1, in decibel: (batch,)."""
    return -10 * (answer - truth).square().mean(dim=(1, 2, 3)).log10()
