"""The clinicians of the ICU-Sepsis cohort: the package's expert on admissible actions, with a knob; and its mode."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import action_of_dose, dose_of_action, levels_of_action
from .icu_sepsis import icu_sepsis, shipped
from .icu_sepsis_spec import SPEC
from .tabular import STATE, Tabular
from .tabular_values import optimal

PER_SEVERITY = 0.25  # log odds per SD of SOFA and per level of either drug, at confounding 1


@dataclass(frozen=True)
class ICUSepsisClinician:
    """Probability proportional to expert x exp(confounding x .25 x z x levels), mixed with a `floor` of any action.

    z is the SOFA score of the state in SD over admissions, `levels` the sum of both drugs' levels; at confounding 0
    this is the package's expert. Only admissible actions are taken; the floor, which keeps propensities from zero, is
    spread evenly over them. The state says everything that decides what comes next, so nothing can be confounded in
    secret: a `hidden_confounding` other than 0 is a ValueError.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    floor: float = 0.02
    patient: Tabular = field(default_factory=icu_sepsis)

    def __post_init__(self) -> None:
        if self.hidden_confounding:
            raise ValueError(
                "ICU-Sepsis has no hidden trait: its state says all that matters, got hidden_confounding="
                f"{self.hidden_confounding}; use 0, or a cohort such as sepsis"
            )
        if not 0 <= self.floor < 1:
            raise ValueError(f"floor: expected a share in 0..1, got {self.floor}")

    @property
    def noise_dim(self) -> int:
        return 1

    @functools.cached_property
    def table(self) -> Tensor:
        """Probabilities (S, A) float64 of every action."""
        data = shipped()
        severity = self.confounding * PER_SEVERITY * severity_score()
        levels = levels_of_action(SPEC, torch.arange(SPEC.actions)).sum(1)
        tilted = data.expert * torch.exp(severity[:, None] * (levels - levels.double().mean()))
        tilted = tilted * self.patient.admissible
        kept = tilted / tilted.sum(1, keepdim=True)
        anything = self.patient.admissible.double() / self.patient.admissible.sum(1, keepdim=True)
        return (1 - self.floor) * kept + self.floor * anything

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2) from noise (B, 1)."""
        rows = self._rows(state)
        reached = torch.special.ndtr(noise[:, :1]).double() * rows.sum(1, keepdim=True)
        action = (rows.cumsum(1) <= reached).sum(1).clamp_max(SPEC.actions - 1)
        return dose_of_action(SPEC, action).to(noise.dtype)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the levels of `dose` (B, 2); -inf where they are inadmissible."""
        return self._rows(state).gather(1, action_of_dose(SPEC, dose)[:, None])[:, 0].log().float()

    def _rows(self, state: PatientState) -> Tensor:
        number = state.memory[:, STATE].long()
        return self.table.to(number.device)[number]


@dataclass(frozen=True)
class ModalClinician:
    """Always the admissible action that the package's expert takes most often in the state."""

    patient: Tabular = field(default_factory=icu_sepsis)

    @property
    def noise_dim(self) -> int:
        return 1

    @functools.cached_property
    def action(self) -> Tensor:
        """The action (S,) int64."""
        return shipped().expert.masked_fill(~self.patient.admissible, -1.0).argmax(1)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2); noise (B, 1) is not used."""
        return _dose(self.action, state)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """0 (B,) for the levels it chooses, -inf for any other."""
        return torch.where(action_of_dose(SPEC, dose) == _chosen(self.action, state), 0.0, -torch.inf)


@dataclass(frozen=True)
class OptimalClinician:
    """Who knows the true transitions and maximises the probability of leaving alive: the ceiling for any policy."""

    patient: Tabular = field(default_factory=icu_sepsis)

    @property
    def noise_dim(self) -> int:
        return 1

    @functools.cached_property
    def action(self) -> Tensor:
        """The action (S,) int64."""
        return optimal(self.patient)[1].argmax(1)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2); noise (B, 1) is not used."""
        return _dose(self.action, state)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """0 (B,) for the levels it chooses, -inf for any other."""
        return torch.where(action_of_dose(SPEC, dose) == _chosen(self.action, state), 0.0, -torch.inf)


def _chosen(action: Tensor, state: PatientState) -> Tensor:
    return action.to(state.memory.device)[state.memory[:, STATE].long()]


def _dose(action: Tensor, state: PatientState) -> Tensor:
    return dose_of_action(SPEC, _chosen(action, state)).to(state.vitals.dtype)


def severity_score() -> Tensor:
    """SOFA score (S,) of each state, in SD from the mean over admissions, within +-3."""
    data = shipped()
    middle = data.start @ data.sofa
    spread = (data.start @ (data.sofa - middle).square()).sqrt()
    return ((data.sofa - middle) / spread).clamp(-3, 3)
