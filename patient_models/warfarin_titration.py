"""Titration by thresholds of the INR, and the memory that it needs.

Thresholds and steps are those of the threshold model that Petch et al. (2024), Sci Rep, compare their policies with;
the patience at the start, the memory and holding the drug are design choices. Never medical advice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import PatientState
from .warfarin_memory import recall
from .warfarin_spec import DAY, INR, WARFARIN

HELD = 5.0  # INR above which no tablet is given until the next visit
PATIENCE = 5 * DAY  # hours in which a low INR says nothing yet
ADOPTED = 0.3  # of the way, on a log scale, that the plan follows a dose that departs from it


def threshold_factor(inr: Tensor, hours: Tensor) -> Tensor:
    """By how much the dose is multiplied at an INR (B,), `hours` (B,) after the start.

    Below 1.5 15 % more, below 2 10 % more, above 3 10 % less, above 5 15 % less; nothing more in the first five days.
    """
    raised = torch.where(inr < 1.5, 1.15, torch.where(inr < 2, 1.10, 1.0))
    raised = torch.where(hours < PATIENCE, 1.0, raised)
    return torch.where(inr > 5, 0.85, torch.where(inr > 3, 0.90, raised))


def planned(state: PatientState, start: Tensor) -> Tensor:
    """Where titration stands at this visit (B,) mg/d: `start` (B,) at the first, then the plan times its factor."""
    plan = recall(state.memory, "plan")
    changed = plan * threshold_factor(state.vitals[:, INR], state.hours)
    return torch.where(plan > 0, changed, start).clamp_max(WARFARIN.levels[-1])


def plan_after(state: PatientState, dose: Tensor) -> Tensor:
    """The plan (B,) mg/d that a visit leaves behind at which dose (B,) was given.

    It follows the thresholds, and goes part of the way to the dose given where that differs, so that neither chance nor
    a moment's severity accumulates; whoever else gives other doses is followed within a few visits.
    """
    plan = planned(state, dose)
    moved = plan ** (1 - ADOPTED) * dose**ADOPTED
    return torch.where(dose > 0, moved, plan)


def titrated(state: PatientState, start: Tensor, hold: float | None = HELD) -> Tensor:
    """Dose (B,) mg/d of titration from `start` (B,); above an INR of `hold` none."""
    plan = planned(state, start)
    return plan if hold is None else torch.where(state.vitals[:, INR] > hold, 0.0, plan)
