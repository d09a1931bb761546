"""Sparse attention, one subscript at a time."""
