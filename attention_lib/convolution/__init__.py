"""Convolution: *what if the kernel listens to the input?*  First, one that does not."""

from .depthwise_separable import DepthwiseSeparable

__all__ = ["DepthwiseSeparable"]
