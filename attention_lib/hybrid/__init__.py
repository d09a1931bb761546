"""Hybrid attention: *near or far?*  Attention and convolution in one block."""

from .acmix import ACmix
from .contextual import ContextualTransformer
from .mobilevit import MobileViTBlock
from .parallel_multi_scale import ParallelMultiScaleAttention
from .relative import RelativeAttention

__all__ = [
    "RelativeAttention",
    "ContextualTransformer",
    "MobileViTBlock",
    "ACmix",
    "ParallelMultiScaleAttention",
]
