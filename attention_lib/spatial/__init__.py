"""Spatial attention: *which place matters?*"""

from .coordinate import CoordinateAttention

__all__ = ["CoordinateAttention"]
