"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

from .external import ExternalAttention

__all__ = ["ExternalAttention"]
