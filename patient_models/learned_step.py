"""From a forecast to the patient's next state: drawn values, what is measured of them, and the outcome."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, DISCHARGED, IN_CARE, PatientState, Spec
from ..trajectories.carry import carry
from .learned_heads import risks, split_raw
from .learned_inputs import InputLayout

_FURTHEST = 12.0  # scaled values stay within, before physical bounds: log-scaled ones never overflow


def step_noise(spec: Spec) -> int:
    """K, the standard normals of a step: a value and a measurement per feature, what they share, the outcome."""
    return 2 * len(spec.features) + 2


def drawn(
    layout: InputLayout, state: PatientState, raw: Tensor, given: tuple[Tensor, Tensor], noise: Tensor
) -> PatientState:
    """The state after a step with `given` dose (B, U) and hours (B,), from raw outputs (B, P); memory stays the old.

    A stay that has ended keeps its outcome. The uniform of the outcome column is split so that a higher risk of death
    only ever turns survivors into deaths.
    """
    dose, hours = given
    features = len(layout.spec.features)
    own, measuring, shared, fate = noise[:, : 2 * features + 2].split([features, features, 1, 1], 1)
    part = split_raw(raw)
    error = part.log_sd.exp() * own + part.shared * shared
    measured = layout.vitals((layout.values(state.vitals) + part.change + error).clamp(-_FURTHEST, _FURTHEST))
    seen = ndtr(measuring) < part.logit.sigmoid()
    vitals, age = carry(layout.spec, state.vitals, state.age, hours, measured, seen)
    risk, place = risks(part.log_rate, hours), ndtr(fate[:, 0])
    outcome = torch.where(place > 1 - risk[:, 0], DISCHARGED, IN_CARE)
    outcome = torch.where(place < risk[:, 1], DIED, outcome)
    return state.replace(
        vitals=vitals,
        seen=seen,
        age=age,
        hours=state.hours + hours,
        last_dose=dose,
        total_dose=state.total_dose + dose * hours[:, None],
        outcome=torch.where(state.outcome == IN_CARE, outcome, state.outcome),
    )
