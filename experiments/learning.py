"""The learning stages of a run: simulator and reference models, the fitted clinician, a policy under each penalty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..agents.baselines import most_frequent, no_treatment, random_policy
from ..agents.behavior import BehaviorConfig, BehaviorPolicy, fit_behavior
from ..agents.imitation import ImitationConfig, imitate
from ..agents.network import NetworkPolicy
from ..agents.records import LoggedData
from ..agents.save import load_policy, save_policy
from ..agents.sb3 import PPOConfig
from ..agents.selection import Candidate, select
from ..agents.support import unsupported_share
from ..contracts import Decisions, DiscretePolicy, PatientModel, Policy, Progress, Treatment
from ..envs import decisions, treatment
from ..envs.actions import Action
from ..patient_models import load_model, model
from ..patient_models.learned_affine import Affine
from ..patient_models.lstm import LSTMConfig, LSTMEnsemble
from ..patient_models.tabular import Tabular
from ..trajectories.checkpoint import Checkpoint
from ..trajectories.task import Task
from .config import ExperimentConfig
from .learners import action_of, learned_in, learned_offline, levelled
from .logs import logbook
from .plan import REFERENCES
from .reading import Cohort
from .stages import Run
from .worth import reward_name, reward_options, shaped_of


@dataclass(frozen=True)
class Trained:
    """A policy learned under one penalty, and how far it stays within what clinicians do, on tuning patients."""

    penalty: float
    policy: Policy
    unsupported: float


@dataclass(frozen=True)
class Learned:
    """All that a run has learned from training and tuning stays."""

    patient: LSTMEnsemble
    references: dict[str, Affine]  # the linear and the persistence model
    simulator: Treatment
    train: Decisions
    behavior: BehaviorPolicy
    baselines: dict[str, DiscretePolicy]
    free: Trained  # without a penalty
    candidates: tuple[Trained, ...]  # one per penalty
    chosen: int
    offline: dict[str, Policy]  # agents that learned from the records, by name

    @property
    def penalised(self) -> Policy:
        """The policy whose penalty was chosen by support."""
        return self.candidates[self.chosen].policy


def learn(config: ExperimentConfig, run: Run, cohort: Cohort, *, first_seed: int) -> Learned:
    """Fit everything, each part in a stage of its own; patients met in training are seeded from `first_seed`."""
    known = grounds(config, run, cohort)
    patient, behavior, logged = known.patient, known.behavior, known.logged
    references = {name: _reference(name, cohort, run, config.seed) for name in REFERENCES}
    trained = []
    for penalty in (0.0, *config.ppo.penalties):
        environment = simulator_of(config, cohort.task, patient, penalty, action=action_of(config.learner))
        environment = shaped_of(config, environment) or environment
        policy = learned_in(environment, config, run, known.start, penalty=penalty, first_seed=first_seed)
        unsupported = unsupported_share(logged.tuning, levelled(policy, known.simulator.spec), behavior)
        trained.append(Trained(penalty, policy, unsupported))
    candidates = tuple(trained[1:])
    chosen = select([Candidate(c.penalty, c.unsupported) for c in candidates], limit=config.ppo.unsupported_limit)
    return Learned(
        patient=patient,
        references=references,
        simulator=known.simulator,
        train=logged.train,
        behavior=behavior,
        baselines=_baselines(logged.train, known.simulator.spec.actions),
        free=trained[0],
        candidates=candidates,
        chosen=chosen,
        offline={name: _offline(name, config, run, cohort, patient) for name in config.offline},
    )


@dataclass(frozen=True)
class Grounds:
    """What every learner of a run stands on."""

    patient: LSTMEnsemble
    simulator: Treatment
    logged: LoggedData
    behavior: BehaviorPolicy
    start: NetworkPolicy  # the fitted clinician in PPO's own network


def grounds(config: ExperimentConfig, run: Run, cohort: Cohort) -> Grounds:
    """The learned patient, the fitted clinician and its imitation, each in a stage of its own."""
    train, tuning = cohort.splits["train"], cohort.splits["tuning"]
    settings = LSTMConfig(**config.simulator.model_dump())

    def fit_simulator(folder: Path, progress: Progress) -> None:
        fit, checkpoint = model("lstm"), Checkpoint.within(folder, "lstm")
        fitted = fit(train, tuning, settings, seed=config.seed, progress=progress, checkpoint=checkpoint)
        fitted.save(folder / "model")

    patient = run.stage("simulator", fit_simulator, _load_patient)
    assert isinstance(patient, LSTMEnsemble)
    simulator = simulator_of(config, cohort.task, patient)
    logged = LoggedData(decisions(simulator, train), decisions(simulator, tuning))
    behavior = _behavior(config, run, cohort, logged)
    return Grounds(patient, simulator, logged, behavior, _start(run, logged, behavior, config.seed))


def simulator_of(
    config: ExperimentConfig, task: Task, patient: PatientModel, penalty: float = 0.0, *, action: Action = "levels"
) -> Treatment:
    """The learned environment of a run, in the task's own times and the config's reward."""
    return treatment(
        "posology/Learned-v0",
        model=patient,
        penalty=penalty,
        action=action,
        horizon=task.horizon,
        interval_hours=task.interval,
        visits=None if task.decisions is None else task.decisions.rule,
        reward=reward_name(config),
        **reward_options(config),
    )


def _baselines(train: Decisions, actions: int) -> dict[str, DiscretePolicy]:
    return {
        "random": random_policy(actions),
        "none": no_treatment(actions),
        "most_frequent": most_frequent(train, actions),
    }


def _offline(name: str, config: ExperimentConfig, run: Run, cohort: Cohort, patient: PatientModel) -> Policy:
    """An agent that learns from the records as the simulator reads them."""
    return learned_offline(
        name, config, run, simulator_of(config, cohort.task, patient, action=action_of(name)), cohort
    )


def _reference(name: str, cohort: Cohort, run: Run, seed: int) -> Affine:
    train, tuning = cohort.splits["train"], cohort.splits["tuning"]

    def fit(folder: Path, progress: Progress) -> None:
        model(name)(train, tuning, seed=seed, progress=progress).save(folder / "model")

    found = run.stage(f"reference_{name}", fit, _load_patient)
    assert isinstance(found, Affine)
    return found


def _behavior(config: ExperimentConfig, run: Run, cohort: Cohort, logged: LoggedData) -> BehaviorPolicy:
    settings = BehaviorConfig(actions=cohort.task.spec.actions, **config.behavior.model_dump())

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
        save_policy(fitted, folder / "policy")

    found = run.stage("behavior", fit, _load_policy)
    assert isinstance(found, BehaviorPolicy)
    return found


def _start(run: Run, logged: LoggedData, behavior: BehaviorPolicy, seed: int) -> NetworkPolicy:
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


def _load_patient(folder: Path) -> LSTMEnsemble | Affine | Tabular:
    return load_model(folder / "model")


def _load_policy(folder: Path) -> DiscretePolicy:
    return load_policy(folder / "policy")
