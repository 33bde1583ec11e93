"""The clinician of the tumour cohort: a fixed protocol of chemoradiation, adjusted to the blood count only.

Doses are levels with exact and never degenerate propensities. Every threshold is a design choice; never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState
from ..trajectories.levels import levels_of_dose
from .lognormal_levels import LognormalLevels, draw_level
from .tumor_memory import recall
from .tumor_spec import SPEC, WEEK

NEUTROPHILS, DIAMETER = SPEC.feature("neutrophils"), SPEC.feature("diameter")
CHEMOTHERAPY, RADIOTHERAPY = SPEC.drug("chemotherapy"), SPEC.drug("radiotherapy")
COURSE_GRAY = 60.0
PER_SEVERITY = 0.12  # log units, and probits of radiotherapy, per SD of severity at confounding 1


@dataclass(frozen=True)
class TumorClinician:
    """Units = rule x exp(.12 (confounding z + hidden_confounding h) + N(0, .5)); radiotherapy by a shifted probit.

    z is the severity that the record shows (diameter), h the one that it does not (resistance to rays), both in SD.
    Levels slip and keep a floor, see `LognormalLevels`.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    levels: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.5, slip=0.1))

    @property
    def noise_dim(self) -> int:
        return len(SPEC.drugs)

    def rule(self, state: PatientState) -> Tensor:
        """Units per week (B,) that severity and chance multiply: 1 for twelve weeks, then a twentieth of that.

        Halved with neutrophils below 1.5e9/L, a twentieth below 1.
        """
        count = state.vitals[:, NEUTROPHILS]
        planned = torch.where(state.hours < 12 * WEEK - 1, 1.0, 0.05)
        return planned * torch.where(count < 1.0, 0.05, torch.where(count < 1.5, 0.5, 1.0))

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds (B,)."""
        shown, hidden = shown_severity(state), hidden_severity(state)
        return PER_SEVERITY * (self.confounding * shown + self.hidden_confounding * hidden)

    def intended(self, state: PatientState, noise: Tensor) -> Tensor:
        """The continuous units per week (B,) before they are rounded to levels, from noise (B,)."""
        drawn = self.rule(state) * torch.exp(self.shift(state) + self.levels.spread * noise)
        return drawn.clamp_max(SPEC.drugs[CHEMOTHERAPY].high)

    def level_probs(self, state: PatientState) -> tuple[Tensor, Tensor]:
        """Probabilities of the levels of chemotherapy (B, 5) and, independently, of radiotherapy (B, 2)."""
        shift = self.shift(state)
        chemo = self.levels.probs(SPEC.drugs[CHEMOTHERAPY], self.rule(state) * shift.exp())
        going = state.total_dose[:, RADIOTHERAPY] / WEEK < COURSE_GRAY - 1
        given = torch.where(going, 0.97 * ndtr(1.3 + shift), 0.03)
        return chemo, torch.stack((1 - given, given), 1)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2) from noise (B, 2), one column per drug."""
        columns = []
        for drug, probs, z in zip(SPEC.drugs, self.level_probs(state), noise.unbind(1), strict=True):
            columns.append(z.new_tensor(drug.levels)[draw_level(probs, z)])
        return torch.stack(columns, 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the levels of `dose` (B, 2)."""
        levels = levels_of_dose(SPEC, dose)
        chosen = (p.gather(1, levels[:, u : u + 1]).log() for u, p in enumerate(self.level_probs(state)))
        return torch.cat(tuple(chosen), 1).sum(1)


def shown_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record shows: the last reported diameter, in SD of its logarithm."""
    return ((state.vitals[:, DIAMETER].clamp_min(0.3).log() - math.log(6.3)) / 0.40).clamp(-2, 2)


def hidden_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record does not show: how little the tumour responds to radiotherapy, in SD."""
    return ((0.070 - recall(state.memory, "alpha")) / 0.043).clamp(-2, 2)
