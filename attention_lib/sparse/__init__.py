"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

from .axial import AxialAttention
from .criss_cross import CrissCrossAttention
from .halo import HaloAttention
from .outlook import OutlookAttention

__all__ = [
    "AxialAttention",
    "CrissCrossAttention",
]
__all__ = ["OutlookAttention", "HaloAttention", "CrissCrossAttention", "AxialAttention"]
