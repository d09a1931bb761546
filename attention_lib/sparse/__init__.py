"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

from .axial import AxialAttention
from .criss_cross import CrissCrossAttention

__all__ = ["CrissCrossAttention", "AxialAttention"]
