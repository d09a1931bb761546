"""Joint attention: *which feature, and where?*  Channels and places are weighed together."""

from .bottleneck import BottleneckAttention
from .convolutional_block import ConvolutionalBlockAttention
from .triplet import TripletAttention

__all__ = [
    "ConvolutionalBlockAttention",
    "BottleneckAttention",
    "TripletAttention",
]
