"""Spatial attention: *which place matters?*"""

__all__ = []
