"""Mixing, one subscript at a time."""
