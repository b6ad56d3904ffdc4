"""Round addresses and sizes up to a multiple."""

from __future__ import annotations


def align_up(value: int, unit: int) -> int:
    """Return the lowest multiple of `unit` that is not below `value`."""
    return -(-value // unit) * unit
