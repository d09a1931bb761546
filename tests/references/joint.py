"""Joint attention, one subscript at a time."""
