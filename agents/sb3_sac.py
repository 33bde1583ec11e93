"""Stable-Baselines3 SAC for continuous doses, exported as a squashed Gaussian policy of our own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from ..contracts import Progress, silent
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation
from .sb3_gaussian import require_doses
from .sb3_tools import Reporter, activation_of, network_settings, remember_executed, seeded_apart
from .squashed_gaussian import SquashedGaussianPolicy


@dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic (Haarnoja et al. 2018), for many environments stepped as one.

    The discount is one factor per decision, whatever hours lie between: where decisions are irregular, only a
    discount of 1 means the same as in the treatment.
    """

    steps: int = 300_000  # decisions to train on
    replay: int = 100_000  # decisions remembered
    warm_up: int = 2_000  # decisions of random doses before the first update
    updates: int = 4  # after every step of all environments
    batch_size: int = 256
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    discount: float = 1.0
    target_rate: float = 0.02  # of the slow critics, per update
    entropy: float = 0.02  # weight of the entropy at first, in units of reward; it is learned from then on
    threads: int = 1


def fit_sac(
    source: VecEnv,
    config: SACConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    log: Logbook = unwritten,
) -> SquashedGaussianPolicy:
    """A policy of continuous doses trained by SAC in the environment `source`, with SAC's own means and spreads.

    The environment must have actions (U,) in -1..1 and flat observations (ValueError). The generators of torch, numpy
    and random are left as they were found.
    """
    require_doses(source)
    with seeded_apart(config.threads):
        model = sac_of(source, config, seed)
        remember_executed(model)
        model.learn(config.steps, callback=Reporter(config.steps, progress, "SAC", log))
        return export(model)


@torch.no_grad()
def export(model: SAC) -> SquashedGaussianPolicy:
    """The actor of a trained SAC as a policy of our own: both heads in one last layer; weights are copied."""
    actor = model.policy.actor.cpu()
    trunk = list(actor.latent_pi)
    activation = activation_of(trunk)
    heads = [head for head in (actor.mu, actor.log_std) if isinstance(head, nn.Linear)]
    last = torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads])
    return SquashedGaussianPolicy(MLP((*MLP.of(nn.Sequential(*trunk), activation).layers, last), activation))


def sac_of(vec_env: VecEnv, config: SACConfig, seed: int) -> SAC:
    """An untrained SAC with these settings."""
    vec_env.action_space.seed(seed)  # from which the doses of the warm-up are drawn
    return SAC(
        "MlpPolicy",
        vec_env,
        learning_rate=config.learning_rate,
        buffer_size=config.replay,
        learning_starts=min(config.warm_up, config.steps // 4),
        batch_size=config.batch_size,
        tau=config.target_rate,
        gamma=config.discount,
        train_freq=(1, "step"),
        gradient_steps=config.updates,
        ent_coef=f"auto_{config.entropy}",
        policy_kwargs=network_settings(config.hidden, config.activation),
        seed=seed,
        device="cpu",
    )
