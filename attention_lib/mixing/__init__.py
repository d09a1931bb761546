"""Mixing: *is comparison needed at all?*  Frequencies, shifts and plain layers."""

from .global_filter import GlobalFilter
from .permutator import VisionPermutator

__all__ = ["VisionPermutator", "GlobalFilter"]
