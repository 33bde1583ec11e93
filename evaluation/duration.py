"""Lengths of time in words."""

from __future__ import annotations


def duration(hours: float) -> str:
    """A length of time in the unit that reads best: 5 s, 30 min, 4 h, 72 h, 30 days."""
    if hours >= 120 and abs(hours / 24 - round(hours / 24)) < 1e-3:
        return f"{round(hours / 24)} days"
    for size, name in ((1.0, "h"), (1 / 60, "min")):
        if hours >= size * 0.999:
            return f"{hours / size:.3g} {name}"
    return f"{hours * 3600:.3g} s"
