"""How the figures of studies look: one palette, no frame, one size of type."""

from __future__ import annotations

from typing import Any

INK, PALE = "#1f2a37", "#9aa5b1"
BLUE, GREEN, RED, ORANGE, GOLD = "#2b6cb0", "#2f855a", "#c53030", "#c05621", "#b7791f"
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
