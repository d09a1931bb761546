"""Mixing: *is comparison needed at all?*  Frequencies, shifts and plain layers."""

from .spatial_shift import SpatialShift

__all__ = ["SpatialShift"]
