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
from ..agents.sb3 import PPOConfig, fit_ppo
from ..agents.sb3_dqn import DQNConfig, fit_dqn
from ..agents.selection import Candidate, select
from ..agents.support import unsupported_share
from ..contracts import Decisions, DiscretePolicy, PatientModel, Policy, Progress, Treatment
from ..envs import decisions, sb3_env, treatment
from ..patient_models import load_model, model
from ..patient_models.learned_affine import Affine
from ..patient_models.lstm import LSTMConfig, LSTMEnsemble
from ..patient_models.tabular import Tabular
from ..trajectories.checkpoint import Checkpoint
from ..trajectories.task import Task
from .config import ExperimentConfig
from .plan import REFERENCES, learner_stage
from .reading import Cohort
from .stages import Run
from .worth import reward_name, reward_options, shaped_of


@dataclass(frozen=True)
class Trained:
    """A policy learned under one penalty, and how far it stays within what clinicians do, on tuning patients."""

    penalty: float
    policy: DiscretePolicy
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

    @property
    def penalised(self) -> DiscretePolicy:
        """The policy whose penalty was chosen by support."""
        return self.candidates[self.chosen].policy


def learn(config: ExperimentConfig, run: Run, cohort: Cohort, *, first_seed: int) -> Learned:
    """Fit everything, each part in a stage of its own; patients met in training are seeded from `first_seed`."""
    train, tuning = cohort.splits["train"], cohort.splits["tuning"]
    settings = LSTMConfig(**config.simulator.model_dump())

    def fit_simulator(folder: Path, progress: Progress) -> None:
        fit, checkpoint = model("lstm"), Checkpoint.within(folder, "lstm")
        fitted = fit(train, tuning, settings, seed=config.seed, progress=progress, checkpoint=checkpoint)
        fitted.save(folder / "model")

    patient = run.stage("simulator", fit_simulator, _load_patient)
    assert isinstance(patient, LSTMEnsemble)
    references = {name: _reference(name, cohort, run, config.seed) for name in REFERENCES}
    simulator = simulator_of(config, cohort.task, patient)
    logged = LoggedData(decisions(simulator, train), decisions(simulator, tuning))
    behavior = _behavior(config, run, cohort, logged)
    actions = simulator.spec.actions
    baselines: dict[str, DiscretePolicy] = {
        "random": random_policy(actions),
        "none": no_treatment(actions),
        "most_frequent": most_frequent(logged.train, actions),
    }
    start = _start(run, logged, behavior, config.seed)
    trained = []
    for penalty in (0.0, *config.ppo.penalties):
        environment = simulator_of(config, cohort.task, patient, penalty)
        environment = shaped_of(config, environment) or environment
        policy = _trained(config, run, environment, start, penalty=penalty, first_seed=first_seed)
        trained.append(Trained(penalty, policy, unsupported_share(logged.tuning, policy, behavior)))
    candidates = tuple(trained[1:])
    chosen = select([Candidate(c.penalty, c.unsupported) for c in candidates], limit=config.ppo.unsupported_limit)
    return Learned(
        patient=patient,
        references=references,
        simulator=simulator,
        train=logged.train,
        behavior=behavior,
        baselines=baselines,
        free=trained[0],
        candidates=candidates,
        chosen=chosen,
    )


def simulator_of(config: ExperimentConfig, task: Task, patient: PatientModel, penalty: float = 0.0) -> Treatment:
    """The learned environment of a run, in the task's own times and the config's reward."""
    return treatment(
        "posology/Learned-v0",
        model=patient,
        penalty=penalty,
        horizon=task.horizon,
        interval_hours=task.interval,
        visits=None if task.decisions is None else task.decisions.rule,
        reward=reward_name(config),
        **reward_options(config),
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
        fitted = fit_behavior(logged.train, logged.tuning, settings, seed=config.seed, progress=progress)
        save_policy(fitted, folder / "policy")

    found = run.stage("behavior", fit, _load_policy)
    assert isinstance(found, BehaviorPolicy)
    return found


def _start(run: Run, logged: LoggedData, behavior: BehaviorPolicy, seed: int) -> NetworkPolicy:
    """The fitted clinician in PPO's own network: every policy of a run starts from it."""

    def fit(folder: Path, progress: Progress) -> None:
        settings = ImitationConfig(hidden=PPOConfig.hidden, activation=PPOConfig.activation)
        save_policy(imitate(logged.train, behavior, settings, seed=seed, progress=progress), folder / "policy")

    found = run.stage("imitation", fit, _load_policy)
    assert isinstance(found, NetworkPolicy)
    return found


def _trained(
    config: ExperimentConfig,
    run: Run,
    environment: Treatment,
    start: NetworkPolicy,
    *,
    penalty: float,
    first_seed: int,
) -> DiscretePolicy:
    """What the run's learner makes of an environment; PPO starts from the imitated clinician, DQN from nothing."""
    steps, discount = config.ppo.steps, config.evaluation.discount

    def fit(folder: Path, progress: Progress) -> None:
        env = sb3_env(environment, config.ppo.environments, seed=first_seed, device=config.device)
        policy: Policy
        if config.learner == "dqn":
            policy = fit_dqn(env, DQNConfig(steps=steps, discount=discount), seed=config.seed, progress=progress)
        else:
            settings = PPOConfig(steps=steps, discount=discount)
            policy = fit_ppo(env, settings, start=start, seed=config.seed, progress=progress)
        save_policy(policy, folder / "policy")

    return run.stage(learner_stage(config, penalty), fit, _load_policy)


def _load_patient(folder: Path) -> LSTMEnsemble | Affine | Tabular:
    return load_model(folder / "model")


def _load_policy(folder: Path) -> DiscretePolicy:
    return load_policy(folder / "policy")
