"""Spatial attention, one subscript at a time."""
