"""Mixing: *is comparison needed at all?*  Frequencies, shifts and plain layers."""

from .global_filter import GlobalFilter
from .permutator import VisionPermutator
from .spatial_shift import SpatialShift

__all__ = [
    "VisionPermutator",
    "SpatialShift",
    "GlobalFilter",
]
