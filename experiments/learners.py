"""The learners of a run, each in a stage of its own: in the simulator under a penalty, or from the records."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..agents.levelled import LevelledPolicy
from ..agents.network import NetworkPolicy
from ..agents.records import LoggedData
from ..agents.save import load_any_policy, save_policy
from ..agents.sharpened import sharpened
from ..agents.table import CONTINUOUS, agent, parameter_type
from ..contracts import DiscretePolicy, Policy, Progress, Spec, Treatment
from ..envs import decisions, sb3_env
from ..envs.actions import Action, ContinuousDoses
from ..trajectories.checkpoint import Checkpoint
from ..trajectories.levels import action_of_dose
from .config import ExperimentConfig
from .logs import logbook
from .plan import learner_stage, offline_stage
from .reading import Cohort
from .stages import Run

UNDECIDED = ("ppo", "masked_ppo", "maskable_ppo")  # learn with an entropy bonus, which their policies keep


def action_of(name: str) -> Action:
    """What an agent acts by."""
    return "continuous" if name in CONTINUOUS else "levels"


def acts_by(actor: object) -> Action:
    """What an actor acts by; a clinician or a blend acts by what is asked of it, which is levels."""
    over_doses = isinstance(actor, Policy) and not isinstance(actor, DiscretePolicy)
    return "continuous" if over_doses else "levels"


def needs_doses(config: ExperimentConfig) -> bool:
    """Whether any learner of a run gives continuous doses."""
    return not CONTINUOUS.isdisjoint((config.learner, *config.offline))


def levelled(policy: Policy, spec: Spec) -> DiscretePolicy:
    """A policy over levels as it is, and one over continuous doses as the levels that its doses fall into."""
    if isinstance(policy, DiscretePolicy):
        return policy
    doses = ContinuousDoses(spec)
    return LevelledPolicy(policy, lambda action: action_of_dose(spec, doses.dose(action)), spec.actions)


def learned_in(
    environment: Treatment,
    config: ExperimentConfig,
    run: Run,
    start: NetworkPolicy,
    *,
    penalty: float,
    first_seed: int,
) -> Policy:
    """What the run's learner makes of an environment; those that can start from the imitated clinician do.

    Patients met in training are seeded from `first_seed`. Our own learner goes on from its checkpoint where it was
    interrupted, those of Stable-Baselines3 start over.
    """
    name, beds, stage = config.learner, config.ppo.environments, learner_stage(config, penalty)
    settings = {
        "steps": config.ppo.steps, "discount": config.evaluation.discount, "beds": beds, "first_seed": first_seed,
        "device": config.device, "rollout": config.ppo.rollout,
    }  # fmt: skip

    def build(folder: Path, progress: Progress) -> None:
        ours = parameter_type(agent(name), "source") is Treatment
        source = environment if ours else sb3_env(environment, beds, seed=first_seed, device=config.device)
        aids = Aids(config.seed, progress, Checkpoint.within(folder, name), start)
        policy = _fitted(name, source, settings, aids, run.folder, stage)
        if isinstance(policy, NetworkPolicy) and name in UNDECIDED:
            policy = sharpened(policy, config.ppo.sharpness)
        save_policy(policy, folder / "policy")

    return run.stage(stage, build, _load)


def learned_offline(name: str, config: ExperimentConfig, run: Run, environment: Treatment, cohort: Cohort) -> Policy:
    """What an agent learns from the training stays of a run, as `environment` reads them, stopped on tuning stays."""
    settings = {"actions": cohort.task.spec.actions, "discount": config.evaluation.discount}

    def build(folder: Path, progress: Progress) -> None:
        data = LoggedData(*(decisions(environment, cohort.splits[part]) for part in ("train", "tuning")))
        aids = Aids(config.seed, progress, Checkpoint.within(folder, name))
        save_policy(_fitted(name, data, settings, aids, run.folder, offline_stage(name)), folder / "policy")

    return run.stage(offline_stage(name), build, _load)


@dataclass(frozen=True)
class Aids:
    """What a learner may be given beside its source and its settings."""

    seed: int
    progress: Progress
    checkpoint: Checkpoint
    start: NetworkPolicy | None = None


def _fitted(name: str, source: object, settings: Mapping[str, object], aids: Aids, run: Path, stage: str) -> Policy:
    """A trained agent of the table, given those settings and aids that it knows; its curves go to the run's logs."""
    fit = agent(name)
    known, takes = parameter_type(fit, "config"), inspect.signature(fit).parameters
    names = {f.name for f in dataclasses.fields(known)}
    made = known(**{key: value for key, value in settings.items() if key in names})
    with logbook(run, stage) as log:
        given = {**vars(aids), "log": log}
        policy: Policy = fit(source, made, **{key: value for key, value in given.items() if key in takes})
    return policy


def _load(folder: Path) -> Policy:
    return load_any_policy(folder / "policy")
