"""Joint attention: *which feature, and where?*  Channels and places are weighed together."""

from .convolutional_block import ConvolutionalBlockAttention
from .triplet import TripletAttention

__all__ = ["ConvolutionalBlockAttention", "TripletAttention"]
