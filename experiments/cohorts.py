"""Cohorts of patients whose truth is known: simulated under their clinician, written as MEDS, read like any record."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..contracts import Clinician, Progress, Treatment, silent
from ..envs import treatment
from ..trajectories.rollout import Rollout, rollout
from ..trajectories.task_file import load_task
from ..trajectories.write import write_meds

TRUTH = "truth.parquet"
COHORT_SPAN = 10**6  # patient numbers set aside for each cohort seed
_TRUTH_SHARE = 0.95  # of the work is the simulation; the rest is writing


@dataclass(frozen=True)
class KnownTruth:
    """A mechanistic patient as a data source: its environment, clinician, task, and what is hidden in its memory."""

    environment: str
    clinician: str  # "module:class" in patient_models
    task: str
    rule: str  # "module:class" of a published or documented rule on what is visible
    memory: str  # "module:names" in patient_models: column number by name


SOURCES = {
    "sepsis": KnownTruth(
        environment="posology/Sepsis-v0",
        clinician="sepsis_clinician:SepsisClinician",
        task="sepsis_simulated",
        rule="sepsis_protocols:ObservableRule",
        memory="sepsis_memory:COLUMN",
    ),
}


def source(name: str) -> KnownTruth:
    """The data source `name`; ValueError names the known ones."""
    if name not in SOURCES:
        raise ValueError(f"no simulated patients named {name!r}; expected one of {', '.join(SOURCES)}")
    return SOURCES[name]


def clinician(name: str, confounding: float, hidden_confounding: float) -> Clinician:
    """The documented clinician of a data source, with its two knobs set."""
    made = _member(source(name).clinician)(confounding=confounding, hidden_confounding=hidden_confounding)
    assert isinstance(made, Clinician)
    return made


def observable_rule(name: str) -> Clinician:
    """The documented rule of a data source, which acts on what is visible and remembers some of it."""
    made = _member(source(name).rule)()
    assert isinstance(made, Clinician)
    return made


def true_treatment(name: str, **options: object) -> Treatment:
    """The environment in which the truth of a data source is known."""
    return treatment(source(name).environment, **options)


def write_cohort(
    name: str,
    folder: Path,
    *,
    patients: int,
    seed: int = 0,
    confounding: float = 1.0,
    hidden_confounding: float = 0.0,
    progress: Progress = silent,
) -> Path:
    """Simulate `patients` stays under the clinician; write a MEDS dataset and `truth.parquet`, whole or not at all.

    Cohorts of different seeds share no patient: patient i has number seed * COHORT_SPAN + i.
    FileExistsError where `folder` exists, ValueError for an unknown name.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or choose another folder")
    acting = clinician(name, confounding, hidden_confounding)
    done = rollout(
        true_treatment(name),
        acting,
        patients,
        seed=seed * COHORT_SPAN,
        keep_memory=True,
        progress=lambda share, _: progress(share * _TRUTH_SHARE, "simulating patients"),
    )
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        write_meds(done.trajectories, draft, load_task(source(name).task))
        pq.write_table(_truth(name, done), draft / TRUTH, compression="zstd")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    progress(1.0, "simulating patients")
    return folder


def _truth(name: str, done: Rollout) -> pa.Table:
    """One row per decision: the clinician's true propensity of what was given, and the hidden state before it."""
    assert done.memory is not None and done.decisions.log_behavior is not None
    stay, step = (index.numpy() for index in done.decisions.mask.nonzero(as_tuple=True))
    columns: dict[str, np.ndarray] = {
        "subject_id": done.decisions.subject.numpy()[stay],
        "decision": step.astype(np.int32),
        "log_propensity": done.decisions.log_behavior.numpy()[stay, step],
    }
    hidden = done.memory[:, :-1].numpy()
    for column, number in _member(source(name).memory).items():
        columns[column] = hidden[stay, step, number]
    return pa.table(columns)


def _member(address: str):  # type: ignore[no-untyped-def]
    module, attribute = address.split(":")
    return getattr(importlib.import_module(f"..patient_models.{module}", __package__), attribute)
