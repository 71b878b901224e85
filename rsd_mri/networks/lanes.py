"""How many channels compiled loops take at once."""

LANES = 16
"""Channels transformed together; a constant, so that the compiler knows that nothing overlaps."""
