"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

from .deformable import DeformableAttention
from .long_short import LongShortDistanceAttention

__all__ = [
    "DeformableAttention",
    "LongShortDistanceAttention",
]
