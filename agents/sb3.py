"""Stable-Baselines3 PPO, trained in a vector environment and exported as a plain network policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from ..contracts import Progress, silent
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation
from .network import NetworkPolicy
from .sb3_tools import Reporter, activation_of, network_settings, seeded_apart


@dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO (Schulman et al. 2017), for stays of some 18 decisions with the reward at their end.

    Stable-Baselines3 knows one discount per decision, whatever hours lie between. Where decisions are irregular and
    the discount is not 1, what it learns is not the value in hours: `masked_ppo` discounts by hours there.
    """

    steps: int = 300_000  # decisions to train on
    rollout: int = 6  # decisions of every environment between updates: many small updates learn fastest
    minibatches: int = 4  # per pass over a rollout
    epochs: int = 4  # passes over each rollout
    learning_rate: float = 1e-3  # falls linearly to 0
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    discount: float = 1.0  # survival counts the same whenever it is decided
    gae_lambda: float = 0.9
    clip: float = 0.2
    entropy: float = 0.003
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    target_kl: float | None = None
    log_std: float = -1.0  # of continuous actions, at first: their range is -1..1
    threads: int = 1  # two threads on a busy machine are slower than one


def fit_ppo(
    source: VecEnv,
    config: PPOConfig,
    *,
    start: NetworkPolicy | None = None,
    seed: int = 0,
    progress: Progress = silent,
    log: Logbook = unwritten,
) -> NetworkPolicy:
    """A policy trained by PPO in the environment `source`, with the very probabilities that PPO's own policy has.

    Training begins at `start`, a policy of the same layers (such as `imitation.imitate` gives), or else by chance.
    The environment must have discrete actions and flat observations (ValueError). Nothing of Stable-Baselines3 is
    kept; the generators of torch, numpy and random are left as they were found.
    """
    require_levels(source, "PPO")
    with seeded_apart(config.threads):
        model = ppo_of(source, config, seed)
        if start is not None:
            begin_at(model, start.network)
        model.learn(config.steps, callback=Reporter(config.steps, progress, "PPO", log))
        return export(model)


def require_levels(source: VecEnv, learner: str) -> None:
    """ValueError unless the environment has discrete actions and flat observations."""
    if not isinstance(source.action_space, spaces.Discrete) or not isinstance(source.observation_space, spaces.Box):
        raise ValueError(
            f"{learner} here needs Discrete actions and Box observations, "
            f"got {source.action_space} and {source.observation_space}"
        )


def export(model: OnPolicyAlgorithm) -> NetworkPolicy:
    """The actor of a trained PPO as a policy of our own, with identical probabilities; weights are copied."""
    return NetworkPolicy(actor_of(model))


def actor_of(model: OnPolicyAlgorithm) -> MLP:
    """The network from observations to logits, or to the means of continuous actions; weights are copied."""
    actor = [layer for layer in model.policy.mlp_extractor.policy_net if not isinstance(layer, nn.Flatten)]
    return MLP.of(nn.Sequential(*actor, model.policy.action_net).cpu(), activation_of(actor))


def begin_at(model: OnPolicyAlgorithm, network: MLP) -> None:
    """Copy the weights of `network` into the actor; ValueError where the layers differ."""
    members = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    layers = [layer for layer in members if isinstance(layer, nn.Linear)]
    ours, theirs = [tuple(x.weight.shape) for x in layers], [tuple(weight.shape) for weight, _ in network.layers]
    if ours != theirs:
        raise ValueError(f"the policy to start from needs layers {ours}, got {theirs}")
    with torch.no_grad():
        for layer, (weight, bias) in zip(layers, network.layers, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


def ppo_of(vec_env: VecEnv, config: PPOConfig, seed: int) -> PPO:
    """An untrained PPO with these settings; ValueError where a rollout does not split into equal minibatches."""
    settings = ppo_settings(vec_env, config)
    settings["policy_kwargs"]["log_std_init"] = config.log_std
    return PPO("MlpPolicy", vec_env, seed=seed, **settings)


def ppo_settings(vec_env: VecEnv, config: PPOConfig) -> dict[str, Any]:
    """The settings as the PPOs of Stable-Baselines3 take them; ValueError as for `ppo_of`."""
    frames = config.rollout * vec_env.num_envs
    if frames % config.minibatches:
        raise ValueError(f"{frames} decisions a rollout do not split into {config.minibatches} equal minibatches")
    return {
        "learning_rate": lambda remaining: config.learning_rate * remaining,
        "n_steps": config.rollout,
        "batch_size": frames // config.minibatches,
        "n_epochs": config.epochs,
        "gamma": config.discount,
        "gae_lambda": config.gae_lambda,
        "clip_range": config.clip,
        "ent_coef": config.entropy,
        "vf_coef": config.value_weight,
        "max_grad_norm": config.max_grad_norm,
        "target_kl": config.target_kl,
        "policy_kwargs": network_settings(config.hidden, config.activation),
        "device": "cpu",  # small networks: moving each step to an accelerator costs more than it saves
    }
