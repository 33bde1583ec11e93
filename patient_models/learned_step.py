"""From a forecast to the patient's next state: drawn values, what is measured of them, and the outcome."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, DISCHARGED, IN_CARE, PatientState, Spec
from ..trajectories.carry import carry
from .learned_heads import Forecast
from .learned_inputs import InputLayout


def step_noise(spec: Spec) -> int:
    """K, the standard normals that one step takes: a value and a measurement per feature, and the outcome."""
    return 2 * len(spec.features) + 1


def drawn(
    layout: InputLayout, state: PatientState, expected: Forecast, given: tuple[Tensor, Tensor], noise: Tensor
) -> PatientState:
    """The state after a step with `given` dose (B, U) and hours (B,); memory stays the old one.

    A stay that has ended keeps its outcome. The uniform of the outcome column is split so that a higher risk of death
    only ever turns survivors into deaths.
    """
    dose, hours = given
    features = len(layout.spec.features)
    measured = _within(layout.spec, layout.unscale(expected.mean + expected.sd * noise[:, :features]))
    seen = ndtr(noise[:, features : 2 * features]) < expected.measured
    vitals, age = carry(layout.spec, state.vitals, state.age, hours, measured, seen)
    fate = ndtr(noise[:, 2 * features])
    outcome = torch.where(fate > 1 - expected.risk[:, 0], DISCHARGED, IN_CARE)
    outcome = torch.where(fate < expected.risk[:, 1], DIED, outcome)
    return state.replace(
        vitals=vitals,
        seen=seen,
        age=age,
        hours=state.hours + hours,
        last_dose=dose,
        total_dose=state.total_dose + dose * hours[:, None],
        outcome=torch.where(state.outcome == IN_CARE, outcome, state.outcome),
    )


def _within(spec: Spec, vitals: Tensor) -> Tensor:
    """Vitals (B, D) inside their physical bounds; a category is one of its numbers."""
    low = torch.tensor([f.low for f in spec.features], device=vitals.device)
    high = torch.tensor([f.high for f in spec.features], device=vitals.device)
    whole = torch.tensor([f.scale == "category" for f in spec.features], device=vitals.device)
    vitals = torch.where(whole, vitals.round(), vitals)
    return torch.minimum(torch.maximum(vitals, low), high)
