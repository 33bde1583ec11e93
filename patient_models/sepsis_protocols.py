"""Doctors by the book for the sepsis patient: the documented clinician, an observable rule, fixed and titrated care.

Each acts on the state as a `Clinician` does. Fluids are written in mL per 4 h and given as a rate; all but the
clinician are deterministic, and their `log_prob` is 0 for the level they choose and -inf for any other. Every number
is a design choice, never medical advice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import Clinician, PatientState
from ..trajectories.levels import action_of_dose, dose_of_action
from .sepsis_fluids import INTERVAL, fluid_level_probs, plan_fluid
from .sepsis_memory import recall
from .sepsis_spec import SPEC

MAP, SPO2, FILM = SPEC.feature("map"), SPEC.feature("spo2"), SPEC.feature("film")
WEIGHT, HYPERTENSION = SPEC.context_column("weight"), SPEC.context_column("hypertension")
FLUID, NOREPINEPHRINE = SPEC.drug("fluid"), SPEC.drug("norepinephrine")


@dataclass(frozen=True)
class SpecifiedClinician:
    """The clinician of the acceptance table: continuous doses, and habits that persist over a patient's stay.

    Norepinephrine changes by `gain` (ug/kg/min per mmHg) times target + 2 - MAP times the habit a = e^N(0, .3) in
    memory, plus `hidden_confounding` (s - .6) a; held between target + 2 and target + 10 mmHg, weaned above.
    `log_prob` speaks of levels: given a, that of norepinephrine is certain.
    """

    target: float = 66.0
    gain: float = 0.008
    hidden_confounding: float = 0.0

    @property
    def noise_dim(self) -> int:
        return 3

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        small = recall(state.memory, "cautious_start") > 0
        return torch.stack((plan_fluid(state, small, noise), self._norepinephrine(state)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        fluid, norepinephrine = _levels(dose)
        ours = _levels(torch.stack((dose[:, FLUID], self._norepinephrine(state)), 1))[1]
        small = recall(state.memory, "cautious_start")
        chosen = fluid_level_probs(state, small).gather(1, fluid[:, None])[:, 0]
        return chosen.log() + torch.where(norepinephrine == ours, 0.0, -torch.inf)

    def _norepinephrine(self, state: PatientState) -> Tensor:
        habit = recall(state.memory, "assertiveness")
        hidden = self.hidden_confounding * (recall(state.memory, "infection") - 0.6) * habit
        return titrate(state, self.target, self.gain * habit, hidden)


def titrate(state: PatientState, target: float, gain: float | Tensor, extra: float | Tensor = 0.0) -> Tensor:
    """The clinician's next norepinephrine rate (B,) ug/kg/min: raised towards target + 2 mmHg, held, or weaned."""
    pressure, now = state.vitals[:, MAP], state.last_dose[:, NOREPINEPHRINE]
    wanted = now + gain * (target + 2 - pressure) + extra
    held = torch.where((pressure > target + 2) & (now > 0), torch.maximum(wanted, 0.95 * now), wanted)
    weaned = torch.minimum(wanted, now - (0.2 * now).clamp_min(0.015))
    rate = torch.where(pressure > target + 10, weaned, held)
    return torch.where(rate < 0.015, 0.0, rate).clamp(0, 1.5)


@dataclass(frozen=True)
class FixedDose:
    """The same for everybody: mL/kg in the first interval, then mL per 4 h, and one norepinephrine rate."""

    first_per_kg: float = 0.0
    later: float = 0.0
    norepinephrine: float = 0.0

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        fluid = _first_then(state, self.first_per_kg * state.context[:, WEIGHT], self.later)
        return torch.stack((fluid, torch.full_like(fluid, self.norepinephrine)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


@dataclass(frozen=True)
class Titrated:
    """Fluid as `FixedDose` (later None: 60 mL + 3 mL per mL/kg of the first), norepinephrine to one MAP for all."""

    first_per_kg: float = 22.0
    later: float | None = 80.0
    target: float = 68.0
    gain: float = 0.002

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        later = 60 + 3 * self.first_per_kg if self.later is None else self.later
        fluid = _first_then(state, self.first_per_kg * state.context[:, WEIGHT], later)
        return torch.stack((fluid, _towards(state, torch.full_like(fluid, self.target), self.gain)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)


@dataclass(frozen=True)
class ObservableRule:
    """A better doctor who reads nothing but observations.

    Hypertension raises the MAP target; an irregular rhythm (running mean above `irregular`) caps norepinephrine; a
    lung that floods after the first fluids (film rise / .10 + SpO2 fall / 6 % above `wet`, or a later film rise
    above `flooded`) stops them.
    """

    targets: tuple[float, float] = (57.0, 71.0)  # mmHg, without and with chronic hypertension
    gain: float = 0.006
    irregular: float = 0.115
    cap: float = 0.06  # ug/kg/min
    first_per_kg: float = 20.0  # mL/kg in the first interval, and once more in the second where dry
    wet: float = 0.5
    flooded: float = 0.3
    maintenance: tuple[float, float] = (200.0, 60.0)  # mL per 4 h, where dry and where wet

    @property
    def noise_dim(self) -> int:
        return 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return torch.stack((self._fluid(state), self._norepinephrine(state)), 1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return _certain(self.dose(state, dose), dose)

    def _fluid(self, state: PatientState) -> Tensor:
        rise = state.vitals[:, FILM] - recall(state.memory, "first_film")
        wet = (recall(state.memory, "wetness") > self.wet) | (rise > self.flooded)
        first = self.first_per_kg * state.context[:, WEIGHT]
        again = torch.where(recall(state.memory, "observations") == 2, first, 0.0)
        dry, slow = self.maintenance
        return _first_then(state, first, torch.where(wet, slow, dry + again))

    def _norepinephrine(self, state: PatientState) -> Tensor:
        target = torch.where(state.context[:, HYPERTENSION] > 0.5, self.targets[1], self.targets[0])
        rate = _towards(state, target, self.gain)
        irregular = recall(state.memory, "mean_irregularity") > self.irregular
        return torch.where(irregular, rate.clamp_max(self.cap), rate)


@dataclass(frozen=True)
class InLevels:
    """Another's doses, each replaced by the fixed dose of its level."""

    inner: Clinician

    @property
    def noise_dim(self) -> int:
        return self.inner.noise_dim

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return dose_of_action(SPEC, action_of_dose(SPEC, self.inner.dose(state, noise)))

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return self.inner.log_prob(state, dose)


@dataclass(frozen=True)
class RandomLevels:
    """Any of the 25 actions, all as likely."""

    @property
    def noise_dim(self) -> int:
        return 1

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        action = (ndtr(noise[:, 0]) * SPEC.actions).long().clamp_max(SPEC.actions - 1)
        return dose_of_action(SPEC, action)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return -torch.log(torch.full_like(dose[:, 0], SPEC.actions))


def _towards(state: PatientState, target: Tensor, gain: float) -> Tensor:
    """Norepinephrine (B,) moved towards target + 2 mmHg, and down by .03 at least above target + 9."""
    pressure, now = state.vitals[:, MAP], state.last_dose[:, NOREPINEPHRINE]
    wanted = now + gain * (target + 2 - pressure)
    rate = torch.where(pressure > target + 9, torch.minimum(wanted, now - 0.03), wanted)
    return torch.where(rate < 0.02, 0.0, rate).clamp(0, 1)


def _first_then(state: PatientState, first: Tensor, later: float | Tensor) -> Tensor:
    """Fluid rate (B,) mL/h of `first` mL (B,) in the first interval and `later` mL in every other."""
    return torch.where(state.hours <= 0, first, later) / INTERVAL


def _levels(dose: Tensor) -> tuple[Tensor, Tensor]:
    action = action_of_dose(SPEC, dose)
    count = len(SPEC.drugs[NOREPINEPHRINE].levels)
    return torch.div(action, count, rounding_mode="floor"), action % count


def _certain(ours: Tensor, dose: Tensor) -> Tensor:
    same = action_of_dose(SPEC, ours) == action_of_dose(SPEC, dose)
    return torch.where(same, 0.0, -torch.inf)
