"""The same courses under the cohort's clinician, scanned on one schedule or another, and what is seen of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...contracts import PatientState, Spec, Trajectories
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_imaging_spec import IMAGING_SPEC
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_schedule import DailySchedule
from ...patient_models.tumor_spec import FEATURES, SPEC, VISIBLE, WEEK
from ...trajectories.carry import pad
from ...trajectories.rollout import rollout
from ...trajectories.save import load_trajectories, save_trajectories
from .imaging_arms import core

VOLUME = SPEC.feature("volume")
_PLAIN = tuple(c for c, f in enumerate(IMAGING_SPEC.features) if f.source != "image")
_TRUE = Spec((*(FEATURES[c] for c in _PLAIN), FEATURES[VOLUME]), SPEC.drugs, SPEC.context, SPEC.outcomes)
_NONE = Spec(_TRUE.features[:-1], SPEC.drugs, SPEC.context, SPEC.outcomes)


@dataclass(frozen=True, eq=False)
class Courses:
    """Stays as scans show them, and the true volume (N, T+1) in cm3 behind them."""

    stays: Trajectories
    volume: Tensor


@dataclass(frozen=True, eq=False)
class Replayed:
    """Gives row i the doses (N, T, U) that stay i was given; for a batch of just those N stays."""

    doses: Tensor
    noise_dim: int = 0

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return self.doses[:, int(torch.round(state.hours[0] / WEEK))]

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros_like(state.hours)


def courses(folder: Path, name: str, patients: int, seed: int, schedule: DailySchedule) -> Courses:
    """Stays of `patients` from `seed` on, scanned on a `schedule`, simulated now or before.

    The doses are those of the cohort's clinician who reads a scan of every week, whatever the schedule: so one seed is
    one set of courses.
    """
    path, truth = folder / f"cohort_{name}", folder / f"cohort_{name}.safetensors"
    if not path.exists():
        given = rollout(core(Tumor(1), False), Tumor().clinician(), patients, seed=seed, batch=patients)
        doses = given.trajectories.dose
        seen = core(TumorImaging(Tumor(schedule=schedule)), False)
        done = rollout(seen, Replayed(doses), patients, seed=seed, batch=patients, keep_memory=True)
        assert done.memory is not None and torch.equal(done.trajectories.dose, doses)
        save_file({"volume": recall(done.memory, "volume").clamp_min(VISIBLE).contiguous()}, truth)
        save_trajectories(done.trajectories, path)
    return Courses(load_trajectories(path), load_file(truth)["volume"])


def seen_of(found: Courses, arm: str) -> Trajectories:
    """What the stays show to a model that sees "scans", the "truth" in their place, or "none"."""
    stays = found.stays
    if arm == "scans":
        return stays
    columns = list(_PLAIN)
    kept = {n: getattr(stays, n)[:, :, columns] for n in ("vitals", "seen", "age")}
    if arm == "truth":
        volume = found.volume[:, :, None]
        new = {"vitals": volume, "seen": torch.ones_like(volume, dtype=torch.bool), "age": torch.zeros_like(volume)}
        kept = {n: torch.cat((value, new[n]), 2) for n, value in kept.items()}
    return pad(dataclasses.replace(stays, spec=_TRUE if arm == "truth" else _NONE, **kept))
