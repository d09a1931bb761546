"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

from .attention_free import AttentionFree
from .attention_free_convolution import AttentionFreeConvolution
from .unit_force import UnitForceAttention

__all__ = [
    "AttentionFree",
    "AttentionFreeConvolution",
    "UnitForceAttention",
]
