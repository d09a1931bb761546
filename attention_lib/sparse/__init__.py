"""Sparse attention: *which few are worth reading?*  Windows, axes and chosen places."""

__all__ = []
