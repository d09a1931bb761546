"""Hybrid attention: *near or far?*  Attention and convolution in one block."""

from .contextual import ContextualTransformer
from .mobilevit import MobileViTBlock

__all__ = ["ContextualTransformer", "MobileViTBlock"]
