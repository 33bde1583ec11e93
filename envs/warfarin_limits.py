"""Hard limits of warfarin dosing: the greatest dose, the greatest change, and none while the INR is too high."""

from __future__ import annotations

from ..contracts import Constraint, Spec
from .change_limit import ChangeLimit
from .constraints import DoseLimit
from .withheld import Withheld


def warfarin_limits(spec: Spec, interval_hours: float) -> tuple[Constraint, ...]:
    """Up to 15 mg/d, changes by at most a quarter from visit to visit, and none above an INR of 5 (design choices)."""
    drug = spec.drug("warfarin")
    return (
        DoseLimit("warfarin limit", drug, 15.0, "mg/d"),
        ChangeLimit("change of warfarin", drug, 0.25),
        Withheld("warfarin above INR 5", spec.feature("inr"), 5.0, drug, "mg/d", above=True),
    )
