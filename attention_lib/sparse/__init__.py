"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

from .axial import AxialAttention

__all__ = ["AxialAttention"]
