"""MaskablePPO of sb3-contrib: PPO that knows in training which actions are allowed, exported as a plain policy."""

from __future__ import annotations

from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import VecEnv

from ..contracts import Progress, silent
from .logbook import Logbook, unwritten
from .network import NetworkPolicy
from .sb3 import PPOConfig, begin_at, export, ppo_settings, require_levels
from .sb3_tools import Reporter, seeded_apart


def fit_maskable_ppo(
    source: VecEnv,
    config: PPOConfig,
    *,
    start: NetworkPolicy | None = None,
    seed: int = 0,
    progress: Progress = silent,
    log: Logbook = unwritten,
) -> NetworkPolicy:
    """A policy trained by PPO among the allowed actions alone, as the environment's `action_masks` has them.

    Settings and the rest are those of `sb3.fit_ppo` (Huang & Ontanon 2022, arXiv 2006.14171, on masks). ValueError
    for an environment without discrete actions, flat observations or masks.
    """
    require_levels(source, "MaskablePPO")
    with seeded_apart(config.threads):
        model = maskable_ppo_of(source, config, seed)
        if start is not None:
            begin_at(model, start.network)
        model.learn(config.steps, callback=Reporter(config.steps, progress, "MaskablePPO", log))
        return export(model)


def maskable_ppo_of(vec_env: VecEnv, config: PPOConfig, seed: int) -> MaskablePPO:
    """An untrained MaskablePPO with these settings; ValueError as for `sb3.ppo_of`."""
    return MaskablePPO("MlpPolicy", vec_env, seed=seed, **ppo_settings(vec_env, config))
