"""Joint attention: *which feature, and where?*  Channels and places are weighed together."""

__all__ = []
