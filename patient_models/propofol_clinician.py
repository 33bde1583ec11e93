"""Anaesthetists for the propofol patient: target-controlled infusion with correction, a PID, and a fixed infusion.

The pump predicts with its typical patient; the BIS corrects the target. Every gain is a design choice, never medical
advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import action_of_dose, dose_of_action, levels_of_dose
from .lognormal_levels import LognormalLevels, draw_level
from .propofol_kinetics import plasma
from .propofol_memory import PropofolMemory, recall
from .propofol_spec import SPEC

BIS, EFFECT_SITE = SPEC.feature("bis"), SPEC.feature("effect_site")
AGE, WEIGHT = SPEC.context_column("age"), SPEC.context_column("weight")
DRUG = SPEC.drugs[0]
TARGET = 50.0  # BIS
PER_SEVERITY = 0.15  # log dose per SD of severity at confounding 1
FIRST_TARGET = 2.5  # ug/mL, what holds BIS 50 in the typical patient of 54 years
HORIZON = 0.5  # minutes within which the pump aims at its target in plasma
OVERSHOOT = 1.5  # plasma beyond the target, per missing ug/mL at the effect site
HIGHEST = 120.0  # mg/kg/h that an anaesthetist programs


@dataclass(frozen=True)
class PropofolClinician:
    """Rate = rule x exp(-.15 (confounding z + hidden_confounding h) + N(0, .25)), in levels.

    z is the frailty that the record shows (age), h the one that it does not (a Ce50 below that of the age), both in
    SD: the frail are given less. The BIS corrects either way, so quality hardly moves.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    proportional: float = 0.010  # log target per BIS point
    integral: float = 0.006  # log target per BIS point and minute
    levels: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.25))

    @property
    def noise_dim(self) -> int:
        return 1

    def target(self, state: PatientState) -> Tensor:
        """Effect-site target (B,) ug/mL: the same for all at first, then corrected."""
        error = (state.vitals[:, BIS] - TARGET).clamp(-25, 25)
        correction = self.proportional * error + self.integral * recall(state.memory, "integral")
        return FIRST_TARGET * correction.clamp(-1.2, 1.2).exp()

    def rule(self, state: PatientState) -> Tensor:
        """The rate (B,) mg/kg/h that severity and chance multiply: the pump's, towards the target."""
        m = PropofolMemory.unpack(state.memory)
        target = self.target(state)
        aim = target + OVERSHOOT * (target - state.vitals[:, EFFECT_SITE])
        kept = torch.exp(-m.pump_decay * HORIZON)
        without = plasma(m.pump_amounts[:3] * kept, m.pump_share)
        per_rate = plasma((1 - kept) / m.pump_decay, m.pump_share)  # ug/mL per mg/min
        rate = (aim - without) / per_rate * 60 / state.context[:, WEIGHT]
        return rate.clamp(0, HIGHEST)

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds to the logarithm of the rate (B,)."""
        frailty = self.confounding * shown_frailty(state) + self.hidden_confounding * hidden_frailty(state)
        return -PER_SEVERITY * frailty

    def intended(self, state: PatientState, noise: Tensor) -> Tensor:
        """The continuous rate (B, 1) before it is rounded to a level, from noise (B, 1)."""
        drawn = self.rule(state) * torch.exp(self.shift(state) + self.levels.spread * noise[:, 0])
        return drawn.clamp_max(DRUG.high)[:, None]

    def probs(self, state: PatientState) -> Tensor:
        """Probability of each level (B, 8)."""
        return self.levels.probs(DRUG, self.rule(state) * self.shift(state).exp())

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 1) from noise (B, 1)."""
        return noise.new_tensor(DRUG.levels)[draw_level(self.probs(state), noise[:, 0])][:, None]

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the level of `dose` (B, 1)."""
        return self.probs(state).gather(1, levels_of_dose(SPEC, dose)).log()[:, 0]


@dataclass(frozen=True)
class PropofolPID:
    """A controller on the BIS alone: an induction rate while it is above 65 in the first minutes, then PI.

    Deterministic; in `levels` its rate is rounded to a level. `log_prob` speaks of levels: 0 for its own.
    """

    base: float = 6.0  # mg/kg/h
    proportional: float = 0.25  # mg/kg/h per BIS point
    integral: float = 0.10  # mg/kg/h per BIS point and minute
    induction: float = 60.0  # mg/kg/h
    induction_minutes: float = 4.0
    levels: bool = False

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        error = state.vitals[:, BIS] - TARGET
        rate = self.base + self.proportional * error + self.integral * recall(state.memory, "integral")
        inducing = (state.hours * 60 < self.induction_minutes) & (error > 15)
        dose = torch.where(inducing, self.induction, rate.clamp(0, 40))[:, None]
        return dose_of_action(SPEC, action_of_dose(SPEC, dose)) if self.levels else dose

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


@dataclass(frozen=True)
class FixedInfusion:
    """The same for everybody: mg/kg within the first minute, then mg/kg/h."""

    bolus: float = 2.0
    infusion: float = 6.0

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return torch.where(state.hours * 60 < 0.999, self.bolus * 60, self.infusion)[:, None]

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


def shown_frailty(state: PatientState) -> Tensor:
    """Frailty (B,) that the record shows, in SD of age around that of the cohort."""
    return ((state.context[:, AGE] - 54) / 20.8).clamp(-2, 2)


def hidden_frailty(state: PatientState) -> Tensor:
    """Frailty (B,) that the record does not show, in SD: a Ce50 below what the age lets expect."""
    expected = math.log(3.08) - 0.00635 * (state.context[:, AGE] - 35)
    return ((expected - recall(state.memory, "half_effect").log()) / 0.5).clamp(-2, 2)


def _certain(ours: Tensor, dose: Tensor) -> Tensor:
    same = action_of_dose(SPEC, ours) == action_of_dose(SPEC, dose)
    return torch.where(same, 0.0, -torch.inf)
