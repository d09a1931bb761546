"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

from .double import DoubleAttention
from .external import ExternalAttention
from .separable import SeparableAttention

__all__ = ["ExternalAttention", "DoubleAttention", "SeparableAttention"]
