"""Rules for warfarin that read what is visible: titration from a fixed or a computed start, and a fixed dose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import action_of_dose, dose_of_action
from .warfarin_equations import WEEK, clinical_dose, pharmacogenetic_dose
from .warfarin_spec import SPEC, warfarin_spec
from .warfarin_titration import HELD, titrated


@dataclass(frozen=True)
class Titration:
    """Titration by thresholds from a start: "fixed" (mg/d), or by the "clinical" or "pharmacogenetic" equation.

    Deterministic; `log_prob` speaks of levels. With `levels` the dose is that of the nearest level below its cut.
    The pharmacogenetic start needs genotypes in the record.
    """

    start: str = "fixed"
    fixed: float = 5.0  # mg/d
    hold: float | None = HELD
    levels: bool = False

    def __post_init__(self) -> None:
        if self.start not in ("fixed", "clinical", "pharmacogenetic"):
            raise ValueError(f"start: expected fixed, clinical or pharmacogenetic, got {self.start!r}")

    @property
    def noise_dim(self) -> int:
        return 0

    def first(self, state: PatientState) -> Tensor:
        """The dose (B,) mg/d to start with; ValueError where the record lacks what the equation needs."""
        person = state.context[:, :6]
        if self.start == "fixed":
            return torch.full_like(state.hours, self.fixed)
        if self.start == "clinical":
            return clinical_dose(person) / WEEK
        if state.context.shape[1] < 8:
            raise ValueError("the pharmacogenetic equation needs genotypes in the record: use genotype=True")
        return pharmacogenetic_dose(person, state.context[:, 6:8]) / WEEK

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Dose (B, U) mg/d; visits are left to the clinic."""
        return _with_visits(state, titrated(state, self.first(state), self.hold), self.levels)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


@dataclass(frozen=True)
class FixedDose:
    """The same for everybody at every visit."""

    daily: float = 5.0  # mg/d
    levels: bool = False

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Dose (B, U) mg/d."""
        return _with_visits(state, torch.full_like(state.hours, self.daily), self.levels)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


def _with_visits(state: PatientState, daily: Tensor, levels: bool) -> Tensor:
    dose = daily[:, None]
    if levels:
        dose = dose_of_action(SPEC, action_of_dose(SPEC, dose))
    return torch.cat((dose, torch.zeros_like(state.last_dose[:, 1:])), 1)


def _certain(ours: Tensor, dose: Tensor) -> Tensor:
    spec = warfarin_spec(review=dose.shape[1] > 1)
    return torch.where(action_of_dose(spec, ours) == action_of_dose(spec, dose), 0.0, -torch.inf)
