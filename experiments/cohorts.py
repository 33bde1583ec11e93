"""Cohorts of patients whose truth is known: simulated under their clinician, written as MEDS, read like any record."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..contracts import Progress, silent
from ..trajectories.rollout import Rollout, rollout
from ..trajectories.task_file import load_task
from ..trajectories.write import write_meds
from .sources import clinician, member, source, true_treatment

TRUTH = "truth.parquet"
COHORT_SPAN = 10**6  # patient numbers set aside for each cohort seed
_TRUTH_SHARE = 0.95  # of the work is the simulation; the rest is writing


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
    for column, number in member(source(name).memory).items():
        columns[column] = hidden[stay, step, number]
    return pa.table(columns)
