"""Linear attention, one subscript at a time."""
