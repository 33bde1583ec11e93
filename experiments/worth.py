"""What a stay is worth in a run: the reward that its config and its patients ask for."""

from __future__ import annotations

from ..contracts import Spec
from ..envs import REWARDS, reward
from ..envs.rewards import Reward
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
