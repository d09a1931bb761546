"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

from .axial import AxialAttention
from .criss_cross import CrissCrossAttention
from .deformable import DeformableAttention
from .halo import HaloAttention
from .long_short import LongShortDistanceAttention
from .outlook import OutlookAttention
from .overlapped import MultiResolutionOverlappedAttention

__all__ = [
    "AxialAttention",
    "CrissCrossAttention",
    "HaloAttention",
    "OutlookAttention",
    "LongShortDistanceAttention",
    "DeformableAttention",
    "MultiResolutionOverlappedAttention",
]
