"""Mixing: *is comparison needed at all?*  Frequencies, shifts and plain layers."""

__all__ = []
