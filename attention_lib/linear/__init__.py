"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

from .attention_free import AttentionFree
from .attention_free_convolution import AttentionFreeConvolution
from .double import DoubleAttention
from .external import ExternalAttention
from .separable import SeparableAttention
from .unit_force import UnitForceAttention

__all__ = [
    "ExternalAttention",
    "DoubleAttention",
    "AttentionFree",
    "AttentionFreeConvolution",
    "UnitForceAttention",
    "SeparableAttention",
]
