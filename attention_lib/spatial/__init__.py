"""Spatial attention: *which place matters?*"""

from .class_specific import ClassSpecificResidualAttention
from .coordinate import CoordinateAttention

__all__ = ["CoordinateAttention", "ClassSpecificResidualAttention"]
