"""Linear attention in other people's packages."""

ORACLES = {}
