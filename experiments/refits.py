"""The fitted clinician, fitted anew on resampled patients: what its own error adds to every interval of a run."""

from __future__ import annotations

from pathlib import Path

from ..agents.behavior import BehaviorConfig, FittedBehavior, fit_behavior, fit_sites, told_apart
from ..agents.records import LoggedData
from ..agents.save import load_policy, save_policy
from ..contracts import Decisions, DiscretePolicy, Progress
from ..evaluation.off_policy import behavior_refits
from .config import ExperimentConfig
from .stages import Run

STAGE = "behavior_refits"


def behavior_settings(config: ExperimentConfig, actions: int) -> BehaviorConfig:
    """How the clinician of a run is fitted."""
    return BehaviorConfig(actions=actions, **config.behavior.model_dump(exclude={"refits", "sites"}))


def refitted_clinicians(
    config: ExperimentConfig, run: Run, logged: LoggedData, actions: int
) -> tuple[DiscretePolicy, ...]:
    """Behaviour policies on resampled training and tuning patients, in a stage of their own; none where not asked."""
    count = config.behavior.refits
    if not count:
        return ()

    def build(folder: Path, progress: Progress) -> None:
        settings, apart = behavior_settings(config, actions), told_apart(config.behavior.sites, logged.train)

        def fit(train: Decisions, tuning: Decisions, seed: int) -> FittedBehavior:
            policy = fit_behavior(train, tuning, settings, seed=seed)
            return fit_sites(policy, train, tuning) if apart else policy

        found = behavior_refits(fit, logged.train, logged.tuning, count, seed=config.seed, progress=progress)
        for number, policy in enumerate(found):
            save_policy(policy, folder / str(number))

    def load(folder: Path) -> tuple[DiscretePolicy, ...]:
        return tuple(load_policy(folder / str(number)) for number in range(count))

    return run.stage(STAGE, build, load)
