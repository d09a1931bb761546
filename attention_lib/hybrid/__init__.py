"""Hybrid attention: *near or far?*  Attention and convolution in one block."""

from .parallel_multi_scale import ParallelMultiScaleAttention

__all__ = ["ParallelMultiScaleAttention"]
from .contextual import ContextualTransformer
from .mobilevit import MobileViTBlock
from .relative import RelativeAttention

__all__ = ["RelativeAttention", "ContextualTransformer", "MobileViTBlock"]
