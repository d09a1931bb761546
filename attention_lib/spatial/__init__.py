"""Spatial attention: *which place matters?*"""

from .class_specific import ClassSpecificResidualAttention
from .coordinate import CoordinateAttention
from .spatial_group import SpatialGroupEnhance

__all__ = [
    "SpatialGroupEnhance",
    "CoordinateAttention",
    "ClassSpecificResidualAttention",
]
