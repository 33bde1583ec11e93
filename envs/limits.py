"""Which constraints are known for whom: by the drugs and features that a spec has, in the units that they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..contracts import Constraint, Spec
from .constraints import sepsis_limits
from .state_limits import glucose_limits, hiv_limits, propofol_limits
from .tumor_constraints import tumor_limits
from .warfarin_limits import warfarin_limits


@dataclass(frozen=True)
class Known:
    """Constraints, and the (name, unit) of drugs and features that they need."""

    needs: frozenset[tuple[str, str]]
    limits: Callable[[Spec, float], tuple[Constraint, ...]]  # of the spec and the hours between decisions


KNOWN = (
    Known(frozenset({("fluid", "mL/h"), ("norepinephrine", "ug/kg/min")}), sepsis_limits),
    Known(frozenset({("propofol", "mg/kg/h"), ("bis", ""), ("map", "mmHg")}), propofol_limits),
    Known(frozenset({("bolus", "U/kg/h"), ("cgm", "mg/dL")}), glucose_limits),
    Known(frozenset({("protease_inhibitor", "efficacy"), ("cd4", "cells/uL")}), hiv_limits),
    Known(
        frozenset({("chemotherapy", "units/week"), ("radiotherapy", "Gy/week"), ("neutrophils", "10^9/L")}),
        tumor_limits,
    ),
    Known(frozenset({("warfarin", "mg/d"), ("inr", "")}), warfarin_limits),
)


def known_limits(spec: Spec, interval_hours: float) -> tuple[Constraint, ...]:
    """All constraints known for patients of `spec` treated every `interval_hours`."""
    has = {(d.name, d.unit) for d in spec.drugs} | {(f.name, f.unit) for f in spec.features}
    return tuple(limit for known in KNOWN if known.needs <= has for limit in known.limits(spec, interval_hours))
