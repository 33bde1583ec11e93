"""Stable-Baselines3 PPO for continuous doses, exported as a Gaussian policy of our own."""

from __future__ import annotations

from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from ..contracts import Progress, silent
from .clipped_gaussian import ClippedGaussianPolicy
from .logbook import Logbook, unwritten
from .sb3 import PPOConfig, actor_of, ppo_of
from .sb3_tools import Reporter, seeded_apart


def fit_gaussian_ppo(
    source: VecEnv,
    config: PPOConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    log: Logbook = unwritten,
) -> ClippedGaussianPolicy:
    """A policy of continuous actions trained by PPO in the environment `source`, with PPO's own means and SDs.

    The environment must have actions (U,) in -1..1 and flat observations (ValueError). The generators of torch, numpy
    and random are left as they were found.
    """
    require_doses(source)
    with seeded_apart(config.threads):
        model = ppo_of(source, config, seed)
        model.learn(config.steps, callback=Reporter(config.steps, progress, "PPO", log))
        return export(model)


def require_doses(source: VecEnv) -> None:
    """ValueError unless the environment has actions (U,) in -1..1 and flat observations."""
    space = source.action_space
    fits = (
        isinstance(space, spaces.Box) and len(space.shape) == 1 and (space.low == -1).all() and (space.high == 1).all()
    )
    if not fits or not isinstance(source.observation_space, spaces.Box):
        raise ValueError(
            f"expected actions in a Box of -1..1 and Box observations, got {space} and {source.observation_space}"
        )


def export(model: PPO) -> ClippedGaussianPolicy:
    """The actor of a trained PPO as a policy of our own; weights are copied."""
    return ClippedGaussianPolicy(actor_of(model), model.policy.log_std.detach().cpu().clone())
