"""Hybrid attention, one subscript at a time."""
