"""Stable-Baselines3 DQN, trained in a vector environment and exported as the greedy policy of its value function."""

from __future__ import annotations

from dataclasses import dataclass

from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from ..contracts import Progress, silent
from .greedy import GreedyPolicy
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation
from .sb3 import require_levels
from .sb3_tools import Reporter, activation_of, network_settings, remember_executed, seeded_apart


@dataclass(frozen=True)
class DQNConfig:
    """Settings of DQN (Mnih et al. 2015), for many environments stepped as one.

    The discount is one factor per decision, whatever hours lie between: where decisions are irregular, only a
    discount of 1 means the same as in the treatment.
    """

    steps: int = 300_000  # decisions to train on
    replay: int = 100_000  # decisions remembered
    warm_up: int = 2_000  # decisions before the first update
    updates: int = 8  # after every step of all environments
    batch_size: int = 256
    learning_rate: float = 5e-4
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    discount: float = 1.0
    target_every: int = 2_000  # decisions between copies of the value function into its target
    explore: float = 0.3  # share of training over which random actions become rare
    explore_last: float = 0.05  # share of random actions from then on
    max_grad_norm: float = 10.0
    threads: int = 1


def fit_dqn(
    source: VecEnv,
    config: DQNConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    log: Logbook = unwritten,
) -> GreedyPolicy:
    """A policy trained by DQN in the environment `source`: greedy in the very values that DQN learned.

    The environment must have discrete actions and flat observations (ValueError). Masks are not known to DQN while it
    learns; the policy obeys them. The generators of torch, numpy and random are left as they were found.
    """
    require_levels(source, "DQN")
    with seeded_apart(config.threads):
        model = dqn_of(source, config, seed)
        remember_executed(model)
        model.learn(config.steps, callback=Reporter(config.steps, progress, "DQN", log))
        return export(model)


def export(model: DQN) -> GreedyPolicy:
    """The value function of a trained DQN as a greedy policy of our own; weights are copied."""
    layers = list(model.policy.q_net.q_net.cpu())
    activation = activation_of(layers)
    return GreedyPolicy(MLP.of(nn.Sequential(*layers), activation))


def dqn_of(vec_env: VecEnv, config: DQNConfig, seed: int) -> DQN:
    """An untrained DQN with these settings."""
    return DQN(
        "MlpPolicy",
        vec_env,
        learning_rate=config.learning_rate,
        buffer_size=config.replay,
        learning_starts=min(config.warm_up, config.steps // 4),
        batch_size=config.batch_size,
        gamma=config.discount,
        train_freq=(1, "step"),
        gradient_steps=config.updates,
        target_update_interval=config.target_every,
        exploration_fraction=config.explore,
        exploration_final_eps=config.explore_last,
        max_grad_norm=config.max_grad_norm,
        policy_kwargs=network_settings(config.hidden, config.activation),
        seed=seed,
        device="cpu",
    )
