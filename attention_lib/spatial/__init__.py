"""Spatial attention: *which place matters?*"""

from .coordinate import CoordinateAttention
from .spatial_group import SpatialGroupEnhance

__all__ = ["CoordinateAttention", "SpatialGroupEnhance"]
