"""Hybrid attention: *near or far?*  Attention and convolution in one block."""

__all__ = []
