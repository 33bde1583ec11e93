"""The learning stages of a run: simulator and reference models, the fitted clinician, a policy under each penalty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..agents.baselines import most_frequent, no_treatment, random_policy
from ..agents.behavior import FittedBehavior, fit_behavior, fit_sites, told_apart
from ..agents.imitation import ImitationConfig, imitate
from ..agents.network import NetworkPolicy
from ..agents.records import LoggedData
from ..agents.save import load_policy, save_policy
from ..agents.sb3 import PPOConfig
from ..agents.selection import Candidate, select
from ..contracts import Decisions, DiscretePolicy, Policy, Progress, Treatment
from ..envs import decisions
from ..evaluation.anchored import observed_returns
from ..evaluation.off_policy.logged import Array
from ..patient_models import model
from ..patient_models.learned_affine import Affine
from ..patient_models.lstm import LSTMEnsemble
from ..patient_models.usual_disagreement import usual_disagreement
from ..trajectories.checkpoint import Checkpoint
from .choice import Grounds, Trained, weighed
from .config import ExperimentConfig
from .ensembles import first_simulator, load_patient, second_simulator, simulator_of
from .learners import action_of, learned_in, learned_offline
from .logs import logbook
from .plan import REFERENCES
from .reading import Cohort
from .refits import behavior_settings, refitted_clinicians
from .stages import Run
from .worth import shaped_of


@dataclass(frozen=True)
class Learned:
    """All that a run has learned from training and tuning stays."""

    patient: LSTMEnsemble
    references: dict[str, Affine]  # the linear and the persistence model
    simulator: Treatment
    train: Decisions
    behavior: FittedBehavior
    refits: tuple[DiscretePolicy, ...]  # the same, fitted to resampled patients
    baselines: dict[str, DiscretePolicy]
    free: Trained  # without a penalty
    candidates: tuple[Trained, ...]  # one per penalty
    chosen: int
    second: LSTMEnsemble | None  # another simulator, in which no policy has learned
    observed: Array  # (N,) returns of training and tuning stays
    offline: dict[str, Policy]  # agents that learned from the records, by name

    @property
    def penalised(self) -> Policy:
        """The policy whose penalty was chosen."""
        return self.candidates[self.chosen].policy


def learn(config: ExperimentConfig, run: Run, cohort: Cohort, *, first_seed: int) -> Learned:
    """Fit everything, each part in a stage of its own; patients met in training are seeded from `first_seed`."""
    known = grounds(config, run, cohort)
    patient, behavior, logged = known.patient, known.behavior, known.logged
    references = {name: _reference(name, cohort, run, config.seed) for name in REFERENCES}
    policies = {
        penalty: _trained(config, run, cohort, known, penalty=penalty, first_seed=first_seed)
        for penalty in (0.0, *config.ppo.penalties)
    }
    free, *candidates = weighed(config, run, cohort, known, policies)
    chosen = select([Candidate(c.penalty, c.unsupported, c.second) for c in candidates], config.ppo.unsupported_limit)
    return Learned(
        patient=patient,
        references=references,
        simulator=known.simulator,
        train=logged.train,
        behavior=behavior,
        refits=refitted_clinicians(config, run, logged, known.simulator.spec.actions),
        baselines=_baselines(logged.train, known.simulator.spec.actions),
        free=free,
        candidates=tuple(candidates),
        chosen=chosen,
        second=known.second,
        observed=_observed(logged, config.evaluation.discount),
        offline={name: _offline(name, config, run, cohort, patient) for name in config.offline},
    )


def grounds(config: ExperimentConfig, run: Run, cohort: Cohort) -> Grounds:
    """The learned patient, the fitted clinician and its imitation, each in a stage of its own."""
    told_apart(config.behavior.sites, cohort.splits["train"])  # what cannot be told apart is said before any learning
    patient, second = first_simulator(config, run, cohort), second_simulator(config, run, cohort)
    simulator = simulator_of(config, cohort.task, patient)
    logged = LoggedData(*(decisions(simulator, cohort.splits[part]) for part in ("train", "tuning")))
    behavior = _behavior(config, run, cohort, logged)
    return Grounds(patient, second, simulator, logged, behavior, _start(run, logged, behavior, config.seed))


def _trained(
    config: ExperimentConfig, run: Run, cohort: Cohort, known: Grounds, *, penalty: float, first_seed: int
) -> Policy:
    """What the run's learner makes of the simulator under a penalty on disagreement beyond the usual."""
    spared = usual_disagreement(known.patient, cohort.splits["tuning"], config.ppo.spared) if penalty else 0.0
    action = action_of(config.learner)
    environment = simulator_of(config, cohort.task, known.patient, action=action, penalty=penalty, spared=spared)
    environment = shaped_of(config, environment) or environment
    return learned_in(environment, config, run, known.start, penalty=penalty, first_seed=first_seed)


def _observed(logged: LoggedData, discount: float) -> Array:
    return np.concatenate([observed_returns(part, discount) for part in (logged.train, logged.tuning)])


def _baselines(train: Decisions, actions: int) -> dict[str, DiscretePolicy]:
    return {
        "random": random_policy(actions),
        "none": no_treatment(actions),
        "most_frequent": most_frequent(train, actions),
    }


def _offline(name: str, config: ExperimentConfig, run: Run, cohort: Cohort, patient: LSTMEnsemble) -> Policy:
    """An agent that learns from the records as the simulator reads them."""
    return learned_offline(
        name, config, run, simulator_of(config, cohort.task, patient, action=action_of(name)), cohort
    )


def _reference(name: str, cohort: Cohort, run: Run, seed: int) -> Affine:
    train, tuning = cohort.splits["train"], cohort.splits["tuning"]

    def fit(folder: Path, progress: Progress) -> None:
        model(name)(train, tuning, seed=seed, progress=progress).save(folder / "model")

    found = run.stage(f"reference_{name}", fit, load_patient)
    assert isinstance(found, Affine)
    return found


def _behavior(config: ExperimentConfig, run: Run, cohort: Cohort, logged: LoggedData) -> FittedBehavior:
    settings = behavior_settings(config, cohort.task.spec.actions)
    apart = told_apart(config.behavior.sites, logged.train)

    def fit(folder: Path, progress: Progress) -> None:
        checkpoint = Checkpoint.within(folder, "behavior")
        with logbook(run.folder, "behavior") as log:
            fitted = fit_behavior(
                logged.train,
                logged.tuning,
                settings,
                seed=config.seed,
                progress=progress,
                checkpoint=checkpoint,
                log=log,
            )
        save_policy(fit_sites(fitted, logged.train, logged.tuning) if apart else fitted, folder / "policy")

    found = run.stage("behavior", fit, _load_policy)
    assert isinstance(found, FittedBehavior)
    return found


def _start(run: Run, logged: LoggedData, behavior: FittedBehavior, seed: int) -> NetworkPolicy:
    """The fitted clinician in PPO's own network: every policy of a run starts from it."""

    def fit(folder: Path, progress: Progress) -> None:
        settings = ImitationConfig(hidden=PPOConfig.hidden, activation=PPOConfig.activation)
        checkpoint = Checkpoint.within(folder, "imitation")
        with logbook(run.folder, "imitation") as log:
            policy = imitate(
                logged.train, behavior, settings, seed=seed, progress=progress, checkpoint=checkpoint, log=log
            )
        save_policy(policy, folder / "policy")

    found = run.stage("imitation", fit, _load_policy)
    assert isinstance(found, NetworkPolicy)
    return found


def _load_policy(folder: Path) -> DiscretePolicy:
    return load_policy(folder / "policy")
