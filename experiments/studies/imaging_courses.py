"""Courses under the cohort's clinician, the same for every schedule of scans, and what is seen of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...contracts import Feature, PatientState, Trajectories
from ...patient_models.sepsis_imaging import HIDDEN
from ...patient_models.sepsis_memory import SepsisMemory
from ...patient_models.sepsis_observation import opacity
from ...patient_models.sepsis_spec import FEATURES as SEPSIS_FEATURES
from ...patient_models.sepsis_spec import SPEC as SEPSIS
from ...patient_models.tumor import Tumor
from ...patient_models.tumor_imaging import TumorImaging
from ...patient_models.tumor_memory import recall
from ...patient_models.tumor_schedule import DailySchedule
from ...patient_models.tumor_spec import FEATURES, SPEC, VISIBLE, WEEK
from ...trajectories.carry import pad
from ...trajectories.rollout import rollout
from ...trajectories.save import load_trajectories, save_trajectories
from ..sources import clinician, true_treatment
from .imaging_arms import core

TRUE_VOLUME, TRUE_OPACITY = FEATURES[SPEC.feature("volume")], SEPSIS_FEATURES[SEPSIS.feature("film")]
FILMS = "sepsis_imaging"


@dataclass(frozen=True, eq=False)
class Courses:
    """Stays as pictures show them, and the truth (N, T+1) behind them: volume in cm3, or opacity of the lungs."""

    stays: Trajectories
    truth: Tensor


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
    if not (folder / f"cohort_{name}").exists():
        given = rollout(core(Tumor(1), False), Tumor().clinician(), patients, seed=seed, batch=patients)
        doses = given.trajectories.dose
        seen = core(TumorImaging(Tumor(schedule=schedule)), False)
        done = rollout(seen, Replayed(doses), patients, seed=seed, batch=patients, keep_memory=True)
        assert done.memory is not None and torch.equal(done.trajectories.dose, doses)
        _save(folder, name, Courses(done.trajectories, recall(done.memory, "volume").clamp_min(VISIBLE)))
    return _load(folder, name)


def film_courses(folder: Path, name: str, patients: int, seed: int) -> Courses:
    """Septic stays of `patients` from `seed` on under their clinician, films as ordered, simulated now or before."""
    if not (folder / f"cohort_{name}").exists():
        done = rollout(true_treatment(FILMS), clinician(FILMS, 1.0, 0.0), patients, seed=seed, keep_memory=True)
        assert done.memory is not None
        columns = done.memory[:, :, :HIDDEN].flatten(0, 1).t().contiguous().unbind(0)
        _save(folder, name, Courses(done.trajectories, opacity(SepsisMemory(*columns)).unflatten(0, (patients, -1))))
    return _load(folder, name)


def seen_of(found: Courses, arm: str, true: Feature) -> Trajectories:
    """What the stays show to a model that sees "pictures", the "truth" in their place as a feature, or "none"."""
    stays, spec = found.stays, found.stays.spec
    if arm == "pictures":
        return stays
    columns = [c for c, f in enumerate(spec.features) if f.source != "image"]
    features = [spec.features[c] for c in columns]
    kept = {n: getattr(stays, n)[:, :, columns] for n in ("vitals", "seen", "age")}
    if arm == "truth":
        value = found.truth[:, :, None]
        new = {"vitals": value, "seen": torch.ones_like(value, dtype=torch.bool), "age": torch.zeros_like(value)}
        kept = {n: torch.cat((part, new[n]), 2) for n, part in kept.items()}
        features.append(true)
    return pad(dataclasses.replace(stays, spec=dataclasses.replace(spec, features=tuple(features)), **kept))


def _save(folder: Path, name: str, found: Courses) -> None:
    """The truth first: where the stays are, it is too."""
    save_file({"truth": found.truth.contiguous()}, folder / f"cohort_{name}.safetensors")
    save_trajectories(found.stays, folder / f"cohort_{name}")


def _load(folder: Path, name: str) -> Courses:
    return Courses(
        load_trajectories(folder / f"cohort_{name}"), load_file(folder / f"cohort_{name}.safetensors")["truth"]
    )
