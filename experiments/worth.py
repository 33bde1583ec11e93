"""What a stay is worth in a run: the reward that its config and its patients ask for."""

from __future__ import annotations

from ..contracts import Spec, Treatment
from ..envs import REWARDS, reward
from ..envs.rewards import Reward
from ..envs.shaping import Severity, shaped
from .config import ConfigError, ExperimentConfig, SimulatedCohort
from .sources import source

SURVIVAL = "survival"


def reward_name(config: ExperimentConfig) -> str:
    """The reward of a run by name; ConfigError for an unknown one, or for options of survival beside another."""
    own = source(config.cohort.source).reward if isinstance(config.cohort, SimulatedCohort) else SURVIVAL
    name = config.reward.kind or own
    if name not in REWARDS:
        raise ConfigError(f"reward.kind: no reward {name!r}; expected one of {', '.join(REWARDS)}")
    if name != SURVIVAL and (config.reward.alive, config.reward.died) != (1.0, 0.0):
        raise ConfigError(f"reward.alive and reward.died belong to survival, not to {name!r}: leave them out")
    return name


def reward_options(config: ExperimentConfig) -> dict[str, float]:
    """The reward's own settings."""
    survival = reward_name(config) == SURVIVAL
    return {"alive": config.reward.alive, "died": config.reward.died} if survival else {}


def reward_of(config: ExperimentConfig, spec: Spec, hours: float) -> Reward:
    """The reward of a run over `hours` to the horizon."""
    return reward(reward_name(config), spec, hours, **reward_options(config))


def shaped_of(config: ExperimentConfig, treatment: Treatment) -> Treatment | None:
    """The treatment as policies of a run learn in it where its reward is shaped; ConfigError for an unknown feature."""
    shaping = config.reward.shaping
    if shaping is None:
        return None
    try:
        severity = Severity(treatment.spec, shaping.severity)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"reward.shaping.severity: {error.args[0]}") from None
    return shaped(treatment, severity, discount=config.evaluation.discount, keeps_optimum=shaping.keeps_optimum)
