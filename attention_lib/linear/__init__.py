"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

from .attention_free import AttentionFree

__all__ = [
    "AttentionFree",
]
