"""Mixing: *is comparison needed at all?*  Frequencies, shifts and plain layers."""

from .global_filter import GlobalFilter

__all__ = ["GlobalFilter"]
