"""Hybrid attention: *near or far?*  Attention and convolution in one block."""

from .parallel_multi_scale import ParallelMultiScaleAttention

__all__ = ["ParallelMultiScaleAttention"]
