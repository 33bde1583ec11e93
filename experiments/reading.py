"""The first stages of a run: the cohort, simulated where asked for, and its trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ..contracts import Progress, Trajectories
from ..trajectories.checks import Check, run_checks
from ..trajectories.coverage import Coverage
from ..trajectories.records import FlowStep, Records, read_trajectories
from ..trajectories.save import load_trajectories, save_trajectories
from ..trajectories.split import split
from ..trajectories.task import Task
from ..trajectories.task_file import load_task
from .cohorts import write_cohort
from .config import AnyCohort, ConfigError, ExperimentConfig, SimulatedCohort, data_path
from .sources import source
from .stages import Run

AWAY = 500_000  # added to the seed of a simulated cohort away from home: it shares no patient with home


@dataclass(frozen=True)
class Cohort:
    """The stays of a run, whole and by split."""

    name: str
    task: Task
    records: Records
    splits: dict[str, Trajectories]  # train, tuning, held_out
    checks: tuple[Check, ...] = ()  # for leakage and bad data, before anything is learned


@dataclass(frozen=True)
class _Rest:
    """Records without their trajectories."""

    flow: tuple[FlowStep, ...]
    coverage: Coverage
    warnings: tuple[str, ...]


_REST = TypeAdapter(_Rest)


def read_cohort(config: ExperimentConfig, run: Run) -> Cohort:
    """Read the cohort (simulating it first where the config says so) and split it by patient.

    ConfigError where a split is left without patients: such a cohort cannot be learned from and judged.
    """
    name, task = cohort_name(config.cohort), cohort_task(config.cohort)
    records = read_records(config.cohort, run, config.seed)
    splits = split(records.trajectories, config.split_salt)
    empty = [name for name, stays in splits.items() if not len(stays)]
    if empty:
        raise ConfigError(
            f"the {empty[0]} split holds no patient of the {len(records.trajectories)} stays: use more records, or "
            "another split_salt"
        )
    return Cohort(name, task, records, splits, run_checks(records.trajectories, splits, records.coverage, task.spec))


def cohort_name(cohort: AnyCohort) -> str:
    """What reports call the patients."""
    return f"simulated {cohort.source}" if isinstance(cohort, SimulatedCohort) else data_path(cohort.path).name


def cohort_task(cohort: AnyCohort) -> Task:
    """The task by which the patients are read."""
    return load_task(source(cohort.source).task if isinstance(cohort, SimulatedCohort) else cohort.task)


def read_records(cohort: AnyCohort, run: Run, seed: int, *, prefix: str = "") -> Records:
    """The records of a cohort, in stages named with `prefix`; one away from home is simulated under another seed."""
    if isinstance(cohort, SimulatedCohort):
        number = seed + AWAY if prefix else seed
        path = run.stage(f"{prefix}cohort", lambda f, p: _simulate(cohort, number, f, p), lambda f: f) / "meds"
    else:
        path = data_path(cohort.path)
    task = cohort_task(cohort)
    return run.stage(f"{prefix}records", lambda f, p: _save(read_trajectories(path, task, progress=p), f), _load)


def _simulate(cohort: SimulatedCohort, seed: int, folder: Path, progress: Progress) -> None:
    write_cohort(
        cohort.source,
        folder / "meds",
        patients=cohort.patients,
        seed=seed,
        confounding=cohort.confounding,
        hidden_confounding=cohort.hidden_confounding,
        progress=progress,
    )


def _save(records: Records, folder: Path) -> None:
    save_trajectories(records.trajectories, folder / "trajectories")
    rest = _Rest(records.flow, records.coverage, records.warnings)
    (folder / "records.json").write_bytes(_REST.dump_json(rest, indent=1))


def _load(folder: Path) -> Records:
    rest = _REST.validate_json((folder / "records.json").read_bytes())
    return Records(load_trajectories(folder / "trajectories"), rest.flow, rest.coverage, rest.warnings)
