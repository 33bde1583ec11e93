"""What a threshold on a column of the observation means at the bedside: both answers to the question, in units."""

from __future__ import annotations

import math

import torch

from ..contracts import Drug, Feature
from ..trajectories.scaling import Scaler
from .observation import DAY, Layout


def answers(layout: Layout, column: int, threshold: float) -> tuple[str, str]:
    """In words, that a column (0..O-1) of the observation is at most `threshold`, and that it is above it.

    Numbers are in the clinical units of the spec. ValueError for a column beyond the layout, such as one of a belief.
    """
    spec = layout.spec
    if not 0 <= column < layout.size:
        raise ValueError(f"expected a column of 0..{layout.size - 1}, got {column}: beliefs cannot be put in words")
    features, context, drugs = len(spec.features), len(spec.context), len(spec.drugs)
    if column < features:
        return _value(spec.features[column], threshold)
    if column < 2 * features:
        return _age(spec.features[column - features], threshold)
    if column < 3 * features:
        name = _name(spec.features[column - 2 * features])
        return f"{name} not measured since the last decision", f"{name} newly measured"
    column -= 3 * features
    if column < context:
        return _value(spec.context[column], threshold)
    column -= context
    if column < 2 * drugs:
        return _dose(spec.drugs[column % drugs], threshold, total=column >= drugs)
    if column == 2 * drugs:
        return _both("time since admission", _span(threshold * DAY))
    return _both("time left", _span(threshold * layout.horizon_hours))


def _value(feature: Feature, threshold: float) -> tuple[str, str]:
    if feature.scale == "category":
        last = math.floor(threshold)
        below = [level for number, level in enumerate(feature.levels) if number <= last]
        above = feature.levels[len(below) :]
        return f"{_name(feature)}: {_either(below)}", f"{_name(feature)}: {_either(above)}"
    value = float(Scaler.of((feature,)).unscale(torch.tensor([threshold]))[0])
    return _both(_name(feature), _number(value, feature.unit))


def _age(feature: Feature, threshold: float) -> tuple[str, str]:
    hours = math.expm1(threshold * math.log1p(feature.max_age))
    return f"{_name(feature)} measured within {_span(hours)}", f"{_name(feature)} last measured before {_span(hours)}"


def _dose(drug: Drug, threshold: float, *, total: bool) -> tuple[str, str]:
    rate = max(threshold, 0.0) ** 2 * (drug.levels[-1] if drug.levels else drug.high)
    label = drug.label or drug.name
    name = label if label[1:2].isupper() else label[:1].lower() + label[1:]
    if not total:
        return _both(f"last dose of {name}", _number(rate, drug.unit))
    amount = rate * DAY  # rate x hours
    if drug.unit.endswith("/h"):
        return _both(f"{name} so far", _number(amount, drug.unit[:-2]))
    if drug.unit.endswith("/d"):
        return _both(f"{name} so far", _number(amount / DAY, drug.unit[:-2]))
    return _both(f"{name} so far", _number(amount, f"{drug.unit} x h"))


def _both(name: str, number: str) -> tuple[str, str]:
    return f"{name} ≤ {number}", f"{name} > {number}"


def _name(feature: Feature) -> str:
    return feature.label or feature.name


def _number(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}".strip() if abs(value) >= 100 else f"{value:.3g} {unit}".strip()


def _span(hours: float) -> str:
    return f"{hours:.3g} h" if hours < 3 * DAY else f"{hours / DAY:.3g} days"


def _either(levels: list[str] | tuple[str, ...]) -> str:
    return " or ".join(levels) or "none"
