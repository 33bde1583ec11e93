"""Which patients fare how: groups of held-out stays by what is known of them at admission, and by site."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contracts import Decisions, Feature
from .off_policy.logged import Array, Mask

_SITES = 6  # of the largest are shown


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the held-out stays."""

    variable: str
    name: str
    rows: Mask  # (N,)


def groups(decisions: Decisions, context: tuple[Feature, ...]) -> list[Group]:
    """Two groups for every number, one per level of every category, one per site where there are several.

    A number is cut at its median. Groups without a stay, and variables with one group only, are left out.
    """
    found: list[Group] = []
    values: Array = decisions.context.double().cpu().numpy()
    for column, feature in enumerate(context):
        found += _several(_levels(feature, values[:, column]))
    site: npt.NDArray[np.int64] = decisions.site.cpu().numpy()
    sizes = sorted(((int((site == s).sum()), int(s)) for s in np.unique(site)), reverse=True)[:_SITES]
    return found + _several(
        [Group("Site", f"site {s}" if s >= 0 else "unknown", site == s) for _, s in sorted(sizes, key=lambda x: x[1])]
    )


def _levels(feature: Feature, values: Array) -> list[Group]:
    label = feature.label or feature.name.replace("_", " ").capitalize()
    if feature.scale == "category":
        names = feature.levels or tuple(f"{level:g}" for level in np.unique(values))
        numbers = np.unique(values) if not feature.levels else np.arange(len(names))
        return [Group(label, name, values == number) for name, number in zip(names, numbers, strict=True)]
    cut = _round(float(np.median(values)))
    unit = f" {feature.unit}" if feature.unit not in ("", "1") else ""
    return [
        Group(label, f"under {cut:g}{unit}", values < cut),
        Group(label, f"{cut:g}{unit} or more", values >= cut),
    ]


def _several(found: list[Group]) -> list[Group]:
    filled = [group for group in found if group.rows.any()]
    return filled if len(filled) > 1 else []


def _round(value: float) -> float:
    """Two significant digits, and never coarser than a whole number."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, max(0, 1 - math.floor(math.log10(abs(value)))))
