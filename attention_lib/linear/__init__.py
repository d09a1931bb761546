"""Linear attention: *what to sum first?*  The cost grows with the tokens, not with their pairs."""

__all__ = []
