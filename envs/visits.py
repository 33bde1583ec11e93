"""Rules for irregular visits by name, for treatments of learned patients too: they read what is visible only."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..contracts import PatientState
from ..patient_models.warfarin_visits import clinic_visits

Visits = Callable[[PatientState, Tensor], Tensor]
"""From a state and the dose (B, U) decided on to the hours (B,) until the next decision."""

VISITS: dict[str, Visits] = {"anticoagulation_clinic": clinic_visits}


def visit_rule(name: str | None) -> Visits | None:
    """The rule of that name, None for None; KeyError names the known ones."""
    if name is None:
        return None
    if name not in VISITS:
        raise KeyError(f"no rule of visits {name!r}; known: {', '.join(VISITS)}")
    return VISITS[name]
