"""Agents by name, imported only when used."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from ..contracts import DiscretePolicy
from . import AGENTS

# What reports call the agents that a run may learn by; in its simulator first, then from its records.
LABELS = {
    "ppo": "PPO",
    "masked_ppo": "Masked PPO",
    "maskable_ppo": "MaskablePPO",
    "dqn": "DQN",
    "sac": "SAC",
    "cloning": "Behaviour cloning",
    "batch_constrained": "Batch-constrained Q-learning",
    "conservative_q": "Conservative Q-learning",
    "implicit_q": "Implicit Q-learning",
    "double_q": "Double Q-learning",
    "td3_bc": "TD3+BC",
}
CONTINUOUS = frozenset({"sac", "td3_bc"})  # those of LABELS whose actions are continuous doses


def agent(name: str) -> Callable[..., DiscretePolicy]:
    """The function `fit(source, config, *, seed, progress) -> DiscretePolicy` of a registered agent.

    KeyError for an unknown name, with the nearest known one.
    """
    if name not in AGENTS:
        close = difflib.get_close_matches(name, AGENTS, n=1)
        raise KeyError(
            f"no agent {name!r}{f' (did you mean {close[0]!r}?)' if close else ''}; known: {', '.join(AGENTS)}"
        )
    module, function = AGENTS[name].split(":")
    fit: Callable[..., DiscretePolicy] = getattr(importlib.import_module(f".{module}", __package__), function)
    return fit


def parameter_type(fit: Callable[..., DiscretePolicy], parameter: str) -> type[Any]:
    """The class that an agent declares for its `source` or `config`."""
    declared: type[Any] = inspect.signature(fit, eval_str=True).parameters[parameter].annotation
    return declared
