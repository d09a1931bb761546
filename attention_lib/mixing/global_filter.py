"""Global filter (Rao et al., 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib import properties
from attention_lib.card import Card
from attention_lib.shape import shaped


class GlobalFilter(nn.Module):
    r"""Turn every frequency of a map up, down and aside, by learned factors.

    .. math::
        y_c = \mathcal{F}^{-1}\bigl(K_c \odot \mathcal{F}(x_c)\bigr), \qquad
        \mathcal{F}(x_c)_{uv} = \sum_{i,j} x_{cij}\,
        e^{-2 \pi \mathrm{i} (u i / H + v j / W)}

    The Fourier transform writes a channel as a sum of waves; each wave is multiplied by a
    complex number of the filter K, and the waves are added up again.  That is a convolution with
    a kernel as large as the map, which goes on at the other edge (see `kernel`), at the price of
    N log N instead of N² for N = HW places.  Channels do not meet, and nothing is compared.

    A map of real numbers has mirrored frequencies, so that W // 2 + 1 columns of K are all.  On
    maps of another size than the filter's, K is interpolated linearly between its corners, as
    the authors do for larger images.  float16 and bfloat16 are transformed in float32.

    Args:
        channels: channels of the map, C.
        size: height and width of the map for which K is learned, n; 14 × 14 in the paper.

    Raises:
        ValueError: if `channels` or one of the two numbers of `size` is below 1.
    """

    def __init__(self, channels: int, size: tuple[int, int] = (14, 14)):
        super().__init__()
        size = tuple(size)
        if channels < 1:
            raise ValueError(f"channels={channels} must be at least 1")
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size={size} must be a height and a width of at least 1")
        self.channels, self.size = channels, size
        # real parts, then imaginary ones: a complex parameter would not survive `.half()`
        self.filter = nn.Parameter(torch.randn(2, channels, size[0], size[1] // 2 + 1) * 0.02)

    @shaped
    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        if x.shape[0] == 0:  # there are libraries that refuse to transform nothing
            return x.clone()
        waves = torch.fft.rfft2(_precise(x)) * self._fitted(x)
        return torch.fft.irfft2(waves, s=x.shape[2:]).to(x.dtype)

    @shaped
    def kernel(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "channels height width"]:
        """What the filter turns a single 1 at place (0, 0) into, on maps as large as `x`."""
        return torch.fft.irfft2(self._fitted(x), s=x.shape[2:]).to(x.dtype)

    def _fitted(self, x: Tensor) -> Tensor:
        """The complex filter for maps as large as `x`; its own size is met exactly."""
        _, _, height, width = x.shape
        size = (height, width // 2 + 1)
        real, imaginary = (  # one after the other, since both would be larger than a map
            F.interpolate(part, size=size, mode="bilinear", align_corners=True).squeeze(0)
            for part in _precise(self.filter).split(1)
        )
        return torch.complex(real, imaginary)


def _precise(x: Tensor) -> Tensor:
    """The same in float32 at least, which Fourier transforms need."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


CARD = Card(
    GlobalFilter,
    paper="rao2021gfnet",
    aliases=("global_filter", "gfnet"),
    example=dict(channels=4, size=(7, 5)),
    variants=[dict(size=(4, 8)), dict(size=(9, 7)), dict(size=(1, 1)), dict(channels=1)],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * size[0] * (floor(size[1] / 2) + 1)",
    macs="0",
    memory="channels * height * width",
    properties={properties.shift_equivariant},
    rejects=[
        dict(channels=0),
        dict(channels=4, size=(0, 5)),
        dict(channels=4, size=(7, -5)),
        dict(channels=4, size=(7,)),
    ],
    oracles=("mmpretrain.models.backbones.hornet.GlobalLocalFilter", "torch.nn.functional.conv2d"),
    cannot={
        "check_onnx": "onnxruntime plans a wrong buffer for the inverse transform where height or"
        " width is free; with both fixed the file runs, and computes the same"
    },
)
