"""How well the learned patient predicts, by feature and by how far ahead: skill over simpler models, and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .report import FeatureError, Report
from .small_cells import LEAST
from .style import NONE, number, percent, sentence, signed


@dataclass(frozen=True)
class Tint:
    """One cell: its text, and how strongly it is coloured (0..1)."""

    text: str
    opacity: float
    tone: str  # "more" is good, "less" is bad
    title: str


@dataclass(frozen=True)
class FidelityTable:
    """Features against decisions ahead, in groups of columns that share the horizons."""

    horizons: tuple[int, ...]
    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Tint, ...]], ...]  # label, cells group by group


def fidelity_table(report: Report, rows: Sequence[FeatureError], own: str) -> FidelityTable | None:
    """Skill of model `own` (1 - its error / the other's) against every other model, then coverage of its 95 % range.

    What fewer than ten values tell stays empty.
    """
    errors = {(r.model, r.feature, r.decisions): r for r in rows}
    others = [m for m in dict.fromkeys(r.model for r in rows) if m != own]
    horizons = tuple(sorted({r.decisions for r in rows if r.model == own}))
    features = list(dict.fromkeys(r.feature for r in rows if r.model == own))
    if not horizons or not others:
        return None
    labels = {f.name: f.label or sentence(f.name) for f in report.cohort.features}
    covered = any(r.within_95 is not None for r in rows if r.model == own)
    drawn = []
    for feature in features:
        label = labels.get(feature, sentence(feature))
        cells = [
            _skill(label, errors.get((own, feature, k)), errors.get((other, feature, k)))
            for other in others
            for k in horizons
        ]
        cells += [_coverage(label, errors.get((own, feature, k))) for k in horizons] if covered else []
        drawn.append((label, tuple(cells)))
    groups = tuple(f"skill over {other}" for other in others) + (("inside the 95 % range",) if covered else ())
    return FidelityTable(horizons, groups, tuple(drawn))


def _skill(label: str, ours: FeatureError | None, theirs: FeatureError | None) -> Tint:
    if ours is None or theirs is None or ours.rmse is None or not theirs.rmse or ours.count < LEAST:
        return Tint(NONE, 0.0, "more", "")
    skill = 1 - ours.rmse / theirs.rmse
    text = signed(skill * 100, 0)
    title = f"{label}, {ours.decisions} ahead: error {number(ours.rmse, 2)}, {theirs.model} {number(theirs.rmse, 2)}"
    return Tint(text, math.sqrt(min(abs(skill), 1.0)) * 0.75, "more" if skill > 0 else "less", title)


def _coverage(label: str, ours: FeatureError | None) -> Tint:
    """Coloured by how far it is from 95 %: too narrow a range is bad, too wide a one merely cautious."""
    if ours is None or ours.within_95 is None or ours.count < LEAST:
        return Tint(NONE, 0.0, "less", "")
    short = 0.95 - ours.within_95
    half = "" if ours.within_50 is None else f"; {percent(ours.within_50, 0)} inside the 50 % range"
    title = f"{label}, {ours.decisions} ahead: {percent(ours.within_95)} inside the 95 % range{half}"
    opacity = min(1.0, abs(short) / 0.25) * 0.75
    return Tint(number(ours.within_95 * 100, 0), opacity, "less" if short > 0 else "more", title)
