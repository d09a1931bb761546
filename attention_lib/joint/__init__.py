"""Joint attention: *which feature, and where?*  Channels and places are weighed together."""

from .triplet import TripletAttention

__all__ = ["TripletAttention"]
