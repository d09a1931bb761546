"""Global filter (Rao et al., 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least
from attention_lib.core.precision import wide


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

    Half of the frequencies of a map of real numbers mirror the others: W // 2 + 1 columns of K are
    enough.  float16 and bfloat16 are transformed in float32.

    For a map of another size K is resized bilinearly, corner to corner, whenever it is used, as in
    the code of HorNet by the same authors; their code for this paper resizes it once, bicubically.

    Args:
        channels: channels of the map, C.
        table_height: rows of the map that the filter K is made for, H_0; 14 in the paper's models
            without a pyramid.
        table_width: its columns, W_0; 14 there.

    Raises:
        ValueError: if a number is below 1.
    """

    @typed
    def __init__(self, channels: int, table_height: int = 14, table_width: int = 14):
        super().__init__()
        at_least(1, channels=channels, table_height=table_height, table_width=table_width)
        self.channels = channels
        self.table_height, self.table_width = table_height, table_width
        # real parts, then imaginary ones: a complex parameter would not survive `.half()`
        parts = torch.randn(2, channels, table_height, table_width // 2 + 1)
        self.filter = nn.Parameter(parts * 0.02)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        if x.shape[0] == 0:  # there are libraries that refuse to transform nothing
            return x.clone()
        waves = torch.fft.rfft2(wide(x)) * self._fitted(x)
        return torch.fft.irfft2(waves, s=x.shape[2:]).to(x.dtype)

    @shaped
    def kernel(self, x: Maps) -> Float[Tensor, "channels height width"]:
        """What the filter turns a single 1 at place (0, 0) into, on maps as large as `x`."""
        return torch.fft.irfft2(self._fitted(x), s=x.shape[2:]).to(x.dtype)

    def _fitted(self, x: Tensor) -> Tensor:
        """The complex filter for maps as large as `x`; its own size is met exactly."""
        _, _, height, width = x.shape
        size = (height, width // 2 + 1)
        real, imaginary = (  # one after the other, since both would be larger than a map
            F.interpolate(part, size=size, mode="bilinear", align_corners=True).squeeze(0)
            for part in wide(self.filter).split(1)
        )
        return torch.complex(real, imaginary)


TOO_OLD = (
    {}
    if torch.__version__ >= "2.7"
    else {"check_export": "torch 2.6 cannot export a Fourier transform of free size; torch 2.7 can"}
)

CARD = Card(
    GlobalFilter,
    paper="rao2021gfnet",
    aliases=("global_filter", "gfnet"),
    networks=[("GFNet", "rao2021gfnet")],
    example=dict(channels=4, table_height=7, table_width=5),
    variants=[
        *(dict(table_height=4), dict(table_height=9), dict(table_width=8), dict(table_width=7)),
        *(dict(table_height=4, table_width=8), dict(table_height=1, table_width=1)),
        dict(channels=1),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * table_height * (floor(table_width / 2) + 1)",
    macs="0",
    memory="channels * height * width",
    flow="""
        waves = fft_rfft2 x -> channels height (floor(width/2)+1)  # Fourier transform
        K = [resize] filter -> channels height (floor(width/2)+1)  # filter, resized
        times waves K
        y = fft_irfft2      -> channels height width               # transform back
    """,
    properties={properties.shift_equivariant},
    rejects=[
        dict(channels=0),
        dict(channels=4, table_height=0),
        dict(channels=4, table_width=-5),
    ],
    oracles=("mmpretrain.models.backbones.hornet.GlobalLocalFilter", "torch.nn.functional.conv2d"),
    cannot={
        "check_torchscript": "the older ONNX exporter knows no Fourier transform",
        "check_onnx": "onnxruntime plans a wrong buffer for the inverse transform where height or"
        " width is free; with both fixed the file runs, and computes the same",
    }
    | TOO_OLD,
)
