"""The learned patients of a run: the ensemble that policies learn in, and a second one that none has met."""

from __future__ import annotations

from pathlib import Path

from ..contracts import PatientModel, Progress, Treatment
from ..envs import treatment
from ..envs.actions import Action
from ..patient_models import load_model, model
from ..patient_models.learned_affine import Affine
from ..patient_models.lstm import LSTMConfig, LSTMEnsemble
from ..patient_models.tabular import Tabular
from ..trajectories.checkpoint import Checkpoint
from ..trajectories.task import Task
from .config import ExperimentConfig
from .plan import SECOND, second_settings
from .reading import Cohort
from .stages import Run
from .worth import reward_name, reward_options

_APART = 500  # from the first simulator's seed


def first_simulator(config: ExperimentConfig, run: Run, cohort: Cohort) -> LSTMEnsemble:
    """The ensemble that policies learn in."""
    return _ensemble("simulator", LSTMConfig(**config.simulator.model_dump()), run, cohort, config.seed)


def second_simulator(config: ExperimentConfig, run: Run, cohort: Cohort) -> LSTMEnsemble | None:
    """An ensemble of other networks, each fitted to patients drawn anew; None where the config asks for none.

    A policy that has learned to use the errors of its own simulator finds other errors here.
    """
    if not config.ppo.second_members:
        return None
    return _ensemble(SECOND, LSTMConfig(**second_settings(config)), run, cohort, config.seed + _APART)


def simulator_of(
    config: ExperimentConfig, task: Task, patient: PatientModel, *, action: Action = "levels", **pessimism: float
) -> Treatment:
    """The learned environment of a run, in the task's own times and the config's reward; pessimism by keyword."""
    return treatment(
        "posology/Learned-v0",
        model=patient,
        action=action,
        horizon=task.horizon,
        interval_hours=task.interval,
        visits=None if task.decisions is None else task.decisions.rule,
        reward=reward_name(config),
        **reward_options(config),
        **pessimism,
    )


def load_patient(folder: Path) -> LSTMEnsemble | Affine | Tabular:
    """The patient that a stage has left."""
    return load_model(folder / "model")


def _ensemble(stage: str, settings: LSTMConfig, run: Run, cohort: Cohort, seed: int) -> LSTMEnsemble:
    def build(folder: Path, progress: Progress) -> None:
        fit, checkpoint = model("lstm"), Checkpoint.within(folder, "lstm")
        train, tuning = cohort.splits["train"], cohort.splits["tuning"]
        fit(train, tuning, settings, seed=seed, progress=progress, checkpoint=checkpoint).save(folder / "model")

    found = run.stage(stage, build, load_patient)
    assert isinstance(found, LSTMEnsemble)
    return found
