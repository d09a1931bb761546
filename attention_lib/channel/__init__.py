"""Channel attention: *which feature matters?*  One gate per channel, set by the whole map."""

from .efficient_channel import EfficientChannelAttention
from .global_context import GlobalContext
from .pyramid_split import PyramidSplitAttention
from .selective_kernel import SelectiveKernel
from .squeeze_excitation import SqueezeExcitation

__all__ = [
    "SqueezeExcitation",
    "EfficientChannelAttention",
    "GlobalContext",
    "SelectiveKernel",
    "PyramidSplitAttention",
]
