"""The clinician of the HIV cohort: treats by CD4 count and viral load, interrupts when both are good.

Every threshold is a design choice after the guided interruptions of the trials era; never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState
from ..trajectories.levels import levels_of_dose
from .hiv_memory import recall
from .hiv_spec import SPEC
from .lognormal_levels import LognormalLevels, draw_level

CD4, VIRAL_LOAD = SPEC.feature("cd4"), SPEC.feature("viral_load")
ADHERENCE = SPEC.context_column("adherence")
PER_SEVERITY = 0.15  # log dose per SD of severity at confounding 1
CENTRE = 0.7  # SD: where treating the sicker more and the others less cancel in the control of virus and CD4 cells


@dataclass(frozen=True)
class HIVClinician:
    """Efficacy = rule x exp(.15 (confounding z + hidden_confounding h) + N(0, .6)), given if above half the full.

    z is the severity that the record shows (poor adherence), h the one that it does not (slow viral clearance), both
    in SD, fixed for a patient, and centred so that quality hardly moves: were it the viral load, confounding would time
    interruptions and improve care. Both drugs share the rule; their noise is their own. Levels slip and keep a floor,
    see `LognormalLevels`.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    levels: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.6, slip=0.05))

    @property
    def noise_dim(self) -> int:
        return len(SPEC.drugs)

    def rule(self, state: PatientState) -> Tensor:
        """Efficacies (B, 2) that severity and chance multiply: above half the full where therapy is indicated.

        Indicated with CD4 below 500 /uL or a viral load above 10,000; the course in progress is rather kept.
        """
        good = (state.vitals[:, CD4] > 500) & (state.vitals[:, VIRAL_LOAD] < 1e4)
        push = torch.where(good, -0.6, 0.4)[:, None] + torch.where(state.last_dose > 0, 0.3, 0.0)
        return push.exp() * push.new_tensor([drug.cuts[0] for drug in SPEC.drugs])

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds to the logarithm of both doses (B,)."""
        shown, hidden = shown_severity(state), hidden_severity(state)
        return PER_SEVERITY * (self.confounding * shown + self.hidden_confounding * hidden)

    def intended(self, state: PatientState, noise: Tensor) -> Tensor:
        """The continuous doses (B, 2) before they are rounded to levels, from noise (B, 2)."""
        drawn = self.rule(state) * torch.exp(self.shift(state)[:, None] + self.levels.spread * noise)
        return torch.minimum(drawn, drawn.new_tensor([drug.high for drug in SPEC.drugs]))

    def level_probs(self, state: PatientState) -> tuple[Tensor, ...]:
        """Probabilities of the levels of each drug (B, 2), independent of each other."""
        middle = self.rule(state) * self.shift(state).exp()[:, None]
        return tuple(self.levels.probs(drug, middle[:, u]) for u, drug in enumerate(SPEC.drugs))

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
    """Severity (B,) that the record shows, in SD of poor adherence, from which therapy works less well."""
    return ((0.925 - state.context[:, ADHERENCE]) / 0.085).clamp(-2, 2) + CENTRE


def hidden_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record does not show, in SD of slow viral clearance."""
    return ((math.log(13.0) - recall(state.memory, "clearance").log()) / 0.2).clamp(-2, 2) + CENTRE
