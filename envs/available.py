"""Actions that exist in some states only: one meaning of "admissible" for data, models, policies and estimators."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..contracts import PatientState, Step, Treatment
from ..patient_models.tabular import Tabular
from .wrapped import Wrapped, wrap


def only_available(treatment: Treatment, table: Tabular) -> Wrapped:
    """The treatment with the admissible actions of `table` alone, told from what is measured, in whichever patient.

    Others are masked; taken all the same, the admissible one nearest in levels is carried out. Where what constraints
    allow and what exists do not meet, what exists stays allowed. ValueError for continuous actions, or where the
    treatment and the table differ in what they measure or give.
    """
    if treatment.actions is None:
        raise ValueError("admissible actions are dose levels, got continuous actions: choose action='levels'")
    if treatment.spec != table.spec:
        raise ValueError("expected a treatment of the same spec as the table of admissible actions")

    def allowed(state: PatientState) -> Tensor:
        existing = _on(table.admissible, state)[table.state_of(state.vitals)]
        permitted = treatment.allowed(state)
        if permitted is None:
            return existing
        both = existing & permitted
        return torch.where(both.any(1, keepdim=True), both, existing)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        executed = _on(table.nearest, state)[table.state_of(state.vitals), action]
        return treatment.step(state, executed, hours, noise)

    return replace(wrap(treatment), allowed=allowed, step=step)


def _on(constant: Tensor, state: PatientState) -> Tensor:
    return constant.to(state.vitals.device)
