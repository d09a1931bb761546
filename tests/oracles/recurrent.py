"""Recurrent attention: no package that installs here computes it; the reference stands alone."""

ORACLES: dict[str, dict] = {}
