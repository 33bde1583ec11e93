"""The clinician of the warfarin cohort: level doses by thresholds of the INR, with propensities never degenerate.

Every gain is a design choice, never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import levels_of_dose
from .lognormal_levels import LognormalLevels, draw_level
from .warfarin_memory import recall
from .warfarin_spec import DIET_MEAN, DIET_SD, SHOWN_DIET, VITAMIN_K, WARFARIN, warfarin_spec
from .warfarin_titration import titrated

PER_SEVERITY = 0.05  # log dose per SD of severity at confounding 1


@dataclass(frozen=True)
class WarfarinClinician:
    """Dose = rule x exp(-.05 (confounding z + hidden_confounding h) + noise), in levels.

    The rule starts everybody on 5 mg and titrates by thresholds, see `titrated`. z is the severity that the record
    shows (a poor diet, on which the same dose does more), h the one that it does not (the diet that the score misses),
    both in SD and wavering around nothing: the frail are given less, and are titrated back, so quality hardly moves.
    Noise is N(0, .2) at the start and N(0, .06) later. Levels slip and keep a floor, see `LognormalLevels`.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    start: float = 5.0  # mg/d
    first: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.2, slip=0.05))
    later: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.06, slip=0.05))

    @property
    def noise_dim(self) -> int:
        return 1

    def rule(self, state: PatientState) -> Tensor:
        """The dose (B,) mg/d that severity and chance multiply."""
        return titrated(state, torch.full_like(state.hours, self.start))

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds to the logarithm of the dose (B,)."""
        frailty = self.confounding * shown_frailty(state) + self.hidden_confounding * hidden_frailty(state)
        return -PER_SEVERITY * frailty

    def intended(self, state: PatientState, noise: Tensor) -> Tensor:
        """The continuous dose (B, 1) before it is rounded to a level, from noise (B, 1)."""
        spread = torch.where(_starting(state), self.first.spread, self.later.spread)
        drawn = self.rule(state) * torch.exp(self.shift(state) + spread * noise[:, 0])
        return drawn.clamp_max(WARFARIN.high)[:, None]

    def probs(self, state: PatientState) -> Tensor:
        """Probability of each dose level (B, 17)."""
        middle = self.rule(state) * self.shift(state).exp()
        first, later = (levels.probs(WARFARIN, middle) for levels in (self.first, self.later))
        return torch.where(_starting(state)[:, None], first, later)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, U) from noise (B, 1); a visit that could be ordered is left to the clinic's rule."""
        dose = noise.new_tensor(WARFARIN.levels)[draw_level(self.probs(state), noise[:, 0])][:, None]
        return torch.cat((dose, torch.zeros_like(state.last_dose[:, 1:])), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the levels of `dose` (B, U); visits are never ordered."""
        levels = levels_of_dose(warfarin_spec(review=dose.shape[1] > 1), dose)
        chosen = self.probs(state).gather(1, levels[:, :1]).log()[:, 0]
        return torch.where((levels[:, 1:] == 0).all(1), chosen, -torch.inf)


def shown_frailty(state: PatientState) -> Tensor:
    """Frailty (B,) that the record shows, in SD of the diet score: a poor diet."""
    return ((DIET_MEAN - state.vitals[:, VITAMIN_K]) / DIET_SD).clamp(-2, 2)


def hidden_frailty(state: PatientState) -> Tensor:
    """Frailty (B,) that the record does not show, in SD: a diet poorer than its score."""
    diet = recall(state.memory, "diet")
    return ((-diet - SHOWN_DIET * shown_frailty(state)) / math.sqrt(1 - SHOWN_DIET**2)).clamp(-2, 2)


def _starting(state: PatientState) -> Tensor:
    return recall(state.memory, "plan") <= 0
