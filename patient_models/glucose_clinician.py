"""Basal-bolus insulin for the glucose patient: the documented clinician, and the same by the book.

The rule is that of the controller published with the table of virtual patients: the usual basal rate, and with a
meal a bolus of carbohydrates / ratio, plus (glucose - 140) / correction factor above 150 mg/dL. Never medical advice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories.levels import levels_of_dose
from .glucose_memory import recall
from .glucose_spec import FEATURES, MINUTE, glucose_spec
from .lognormal_levels import LognormalLevels, draw_level

CGM, MEAL = 0, 2  # columns of the features
WEIGHT, RATIO, FACTOR = 1, 2, 3  # columns of the context
PER_SEVERITY = 0.10  # log dose per SD of severity at confounding 1
CORRECT_ABOVE, CORRECT_TO = 150.0, 140.0  # mg/dL
assert (FEATURES[CGM].name, FEATURES[MEAL].name) == ("cgm", "meal")


def basal_bolus(state: PatientState, hours: float | Tensor) -> Tensor:
    """The rule (B, 2): basal x usual, and the bolus in U/kg/h for a decision that lasts `hours`."""
    glucose, meal = state.vitals[:, CGM], state.vitals[:, MEAL]
    _, weight, ratio, factor, _, _ = state.context.unbind(1)
    correction = torch.where(glucose > CORRECT_ABOVE, glucose - CORRECT_TO, 0.0) / factor
    units = torch.where(meal > 0, meal / ratio + correction, 0.0)
    return torch.stack((torch.ones_like(units), units / weight / hours), 1)


@dataclass(frozen=True)
class GlucoseClinician:
    """Insulin = rule x exp(.1 (confounding z + hidden_confounding h) + N(0, .25)), both drugs in levels.

    z is the severity that the record shows (glucose above usual), h the one that it does not (resistance to
    insulin), both in SD and centred, so that quality hardly moves. Where no bolus is due, none is given but for the
    small floor that every level keeps; the floor counts per decision, so it is small for decisions 5 minutes apart.
    """

    confounding: float = 1.0
    hidden_confounding: float = 0.0
    interval_hours: float = 5 * MINUTE
    basal: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.25, slip=0.05, floor=1e-3))
    bolus: LognormalLevels = field(default_factory=lambda: LognormalLevels(spread=0.25, slip=0.05, floor=1e-5))

    @property
    def noise_dim(self) -> int:
        return 2

    @property
    def spec(self) -> Spec:
        """The spec whose levels are given."""
        return glucose_spec(self.interval_hours)

    def rule(self, state: PatientState) -> Tensor:
        """The doses (B, 2) that severity and chance multiply."""
        return basal_bolus(state, self.interval_hours)

    def shift(self, state: PatientState) -> Tensor:
        """What confounding adds to the logarithm of both doses (B,)."""
        shown, hidden = shown_severity(state), hidden_severity(state)
        return PER_SEVERITY * (self.confounding * shown + self.hidden_confounding * hidden)

    def intended(self, state: PatientState, noise: Tensor) -> Tensor:
        """The continuous doses (B, 2) before they are rounded to levels, from noise (B, 2)."""
        spread = noise.new_tensor((self.basal.spread, self.bolus.spread))
        drawn = self.rule(state) * torch.exp(self.shift(state)[:, None] + spread * noise)
        return torch.minimum(drawn, drawn.new_tensor([drug.high for drug in self.spec.drugs]))

    def level_probs(self, state: PatientState) -> tuple[Tensor, Tensor]:
        """Probabilities of the basal and, independently, of the bolus levels, each (B, 5)."""
        middle = self.rule(state) * self.shift(state).exp()[:, None]
        basal, bolus = self.spec.drugs
        due = self.bolus.probs(bolus, middle[:, 1])
        idle = torch.full_like(due, self.bolus.floor)
        idle[:, 0] = 1 - (due.shape[1] - 1) * self.bolus.floor
        return self.basal.probs(basal, middle[:, 0]), torch.where(middle[:, 1:] > 0, due, idle)

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        """Level doses (B, 2) from noise (B, 2), one column per drug."""
        columns = []
        for drug, probs, z in zip(self.spec.drugs, self.level_probs(state), noise.unbind(1), strict=True):
            columns.append(z.new_tensor(drug.levels)[draw_level(probs, z)])
        return torch.stack(columns, 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        """Exact log-probability (B,) of the levels of `dose` (B, 2)."""
        levels = levels_of_dose(self.spec, dose)
        chosen = (p.gather(1, levels[:, u : u + 1]).log() for u, p in enumerate(self.level_probs(state)))
        return torch.cat(tuple(chosen), 1).sum(1)


@dataclass(frozen=True)
class BasalBolus:
    """The rule itself, continuous and without noise; without `bolus` it is basal insulin only.

    `log_prob` speaks of levels: 0 for its own, -inf for any other.
    """

    interval_hours: float = 5 * MINUTE
    bolus: bool = True

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        dose = basal_bolus(state, self.interval_hours)
        return dose if self.bolus else dose * dose.new_tensor((1.0, 0.0))

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        spec = glucose_spec(self.interval_hours)
        same = levels_of_dose(spec, self.dose(state, dose)) == levels_of_dose(spec, dose)
        return torch.where(same.all(1), 0.0, -torch.inf)


def shown_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record shows, in SD of sensor glucose."""
    return ((state.vitals[:, CGM].log() - 4.95) / 0.30).clamp(-2, 2)


def hidden_severity(state: PatientState) -> Tensor:
    """Severity (B,) that the record does not show, in SD of the resistance to insulin of the day."""
    return (-recall(state.memory, "sensitivity") / 0.15).clamp(-2, 2)
