"""What is seen in the imaging study: scans on a schedule, nothing, or the true volume; judged alike, by the truth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...contracts import PatientState, Spec, Step, Treatment
from ...envs.dose_treatment import DoseTreatment
from ...envs.tumor_constraints import tumor_limits
from ...envs.tumor_reward import TumorReward, tumor_reward
from ...envs.wrapped import wrap
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_schedule import DailySchedule
from ...patient_models.tumor_spec import FEATURES, SPEC, WEEK

HORIZON = 26  # weeks
BLIND_TO = (SPEC.feature("volume"), SPEC.feature("diameter"))
ARMS = ("none", "scans", "truth")
CONDITIONS = (
    ("every day", DailySchedule(1, 1)),
    ("every 7 days", DailySchedule(7, 7)),
    ("every 14 days", DailySchedule(14, 14)),
    ("every 28 days", DailySchedule(28, 28)),
    ("every 56 days", DailySchedule(56, 56)),
    ("every 7 days, 30 % missed", DailySchedule(7, 7, 0.3, 0.3)),
    ("every 7 days, 60 % missed", DailySchedule(7, 7, 0.6, 0.6)),
    ("only at admission", DailySchedule(7, 7, 1.0, 1.0)),
)
TRAINED = DailySchedule(1, 56, 0.0, 0.8)
"""What policies that see scans are trained on: an interval and a share missed of each patient's own."""
_EVERY_DAY = Tumor(reading=0.0, schedule=DailySchedule(1, 1))


@dataclass(frozen=True, eq=False)
class ReadSizes:
    """The tumour patient with the encoder's volume and diameter, and nothing else of its token."""

    inner: TumorImaging
    spec: Spec = SPEC
    fixed_hours: float | None = WEEK

    @property
    def noise_dim(self) -> int:
        return self.inner.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        return self.inner.admit_noise_dim

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        return _first(self.inner.admit(context, noise))

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        extra = len(self.inner.spec.features) - len(FEATURES)
        padded = {n: torch.nn.functional.pad(getattr(state, n), (0, extra)) for n in ("vitals", "seen", "age")}
        return _first(self.inner.step(state.replace(**padded), dose, hours, noise))


def core(patient: Any, enforce: bool = True) -> Treatment:
    """Half a year of weekly decisions, its hard limits enforced or not."""
    return DoseTreatment(
        patient,
        constraints=tumor_limits(SPEC),
        reward_rule=tumor_reward(SPEC, HORIZON * WEEK),
        horizon=HORIZON,
        interval_hours=WEEK,
        enforce=enforce,
    )


def sighted(schedule: DailySchedule) -> Treatment:
    """Who sees what the encoder reads in scans that were really rendered."""
    return judged(core(ReadSizes(TumorImaging(Tumor(schedule=schedule)))))


def sightless() -> Treatment:
    """Who sees no scan at all."""
    return judged(blind(core(_EVERY_DAY)))


def knowing() -> Treatment:
    """Who sees the true volume at every decision."""
    return judged(core(_EVERY_DAY))


def judged(treatment: Treatment) -> Treatment:
    """The treatment with shrinkage paid for the true volume, whatever was scanned."""
    rule = tumor_reward(SPEC, HORIZON * WEEK)

    def reward(before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        over = torch.zeros_like(after.outcome, dtype=torch.bool)
        return rule(_truly(before, rule), dose, hours, _truly(after, rule), over)

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        found = treatment.step(state, action, hours, noise)
        return dataclasses.replace(found, reward=reward(state, found.dose, found.hours, found.state))

    return dataclasses.replace(wrap(treatment), reward=reward, step=step)


def blind(treatment: Treatment) -> Treatment:
    """The treatment with the columns of the scan blanked in the observation."""
    columns = torch.tensor([k * len(FEATURES) + c for k in range(3) for c in BLIND_TO])

    def observe(state: PatientState) -> Tensor:
        return treatment.observe(state).index_fill(1, columns, 0.0)

    return dataclasses.replace(wrap(treatment), observe=observe)


def _truly(state: PatientState, rule: TumorReward) -> PatientState:
    vitals = state.vitals.clone()
    vitals[:, rule.volume] = recall(state.memory, "volume")
    return state.replace(vitals=vitals)


def _first(state: PatientState) -> PatientState:
    kept = len(FEATURES)
    return state.replace(vitals=state.vitals[:, :kept], seen=state.seen[:, :kept], age=state.age[:, :kept])
