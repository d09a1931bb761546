"""Recurrent attention: *what if the past is one matrix?*  A new token costs the same at any N."""

from .linear_attention import LinearAttention

__all__ = ["LinearAttention"]
