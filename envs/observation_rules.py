"""Thresholds on observation columns, told in clinical units: what a decision tree asks, as a clinician would say it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Feature, Spec
from ..trajectories.scaling import Scaler
from .observation import DAY, Layout, observation_names


def question(layout: Layout, column: int, threshold: float) -> str:
    """`column <= threshold` in clinical units, such as "map <= 64.8 mmHg" or "lactate not measured just now"."""
    spec, name = layout.spec, observation_names(layout.spec)[column]
    features, context = len(spec.features), len(spec.context)
    if column < features:
        return _value(spec.features[column], Scaler.of(spec.features), column, threshold)
    if column < 2 * features:
        feature = spec.features[column - features]
        hours = torch.expm1(torch.tensor(threshold) * torch.log1p(torch.tensor(feature.max_age)))
        return f"{feature.name} measured {float(hours):.3g} h ago or less"
    if column < 3 * features:
        return f"{spec.features[column - 2 * features].name} not measured since the last decision"
    if column < 3 * features + context:
        place = column - 3 * features
        return _value(spec.context[place], Scaler.of(spec.context), place, threshold)
    return _dose_or_time(spec, layout, name, column - 3 * features - context, threshold)


def rules(layout: Layout, column: Tensor, threshold: Tensor, left: Tensor, right: Tensor, leaf: list[str]) -> str:
    """A tree in words, one line a question and a leaf, indented by depth; `leaf` (K) says what each leaf does."""

    def lines(node: int, depth: int) -> list[str]:
        pad = "  " * depth
        if int(column[node]) < 0:
            return [f"{pad}{leaf[node]}"]
        asked = question(layout, int(column[node]), float(threshold[node]))
        yes, no = lines(int(left[node]), depth + 1), lines(int(right[node]), depth + 1)
        return [f"{pad}if {asked}:", *yes, f"{pad}else:", *no]

    return "\n".join(lines(0, 0))


def _value(feature: Feature, scaler: Scaler, place: int, threshold: float) -> str:
    if feature.scale == "category":
        inside = [level for number, level in enumerate(feature.levels) if number <= threshold]
        return f"{feature.name} is {' or '.join(inside)}" if inside else f"{feature.name} <= {threshold:.3g}"
    scaled = torch.zeros(len(scaler.center))
    scaled[place] = threshold
    unit = f" {feature.unit}" if feature.unit else ""
    return f"{feature.name} <= {float(scaler.unscale(scaled)[place]):.3g}{unit}"


def _dose_or_time(spec: Spec, layout: Layout, name: str, place: int, threshold: float) -> str:
    drugs = len(spec.drugs)
    if place < 2 * drugs:
        drug = spec.drugs[place % drugs]
        top = drug.levels[-1] if drug.levels else drug.high
        share = max(threshold, 0.0) ** 2
        if place < drugs:
            return f"last {drug.name} <= {share * top:.3g} {drug.unit}"
        return f"total {drug.name} <= {share:.3g} days at {top:g} {drug.unit}"
    if place == 2 * drugs:
        return f"{threshold * DAY:.3g} h or less since admission"
    if place == 2 * drugs + 1:
        return f"{threshold * layout.horizon_hours:.3g} h or less left"
    return f"{name} <= {threshold:.3g}"
