"""Joint attention: *which feature, and where?*  Channels and places are weighed together."""

from .bottleneck import BottleneckAttention
from .convolutional_block import ConvolutionalBlockAttention
from .dual import DualAttention
from .parnet import ParNetAttention
from .polarized import PolarizedSelfAttention
from .shuffle import ShuffleAttention
from .simam import SimAM
from .triplet import TripletAttention

__all__ = [
    "ConvolutionalBlockAttention",
    "BottleneckAttention",
    "DualAttention",
    "ShuffleAttention",
    "PolarizedSelfAttention",
    "TripletAttention",
    "ParNetAttention",
    "SimAM",
]
