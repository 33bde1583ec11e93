"""What every learner of Stable-Baselines3 needs around it: networks, progress, generators left as they were found."""

from __future__ import annotations

import numbers
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import nn

from ..contracts import Progress
from .logbook import Logbook, unwritten
from .mlp import Activation

_POINTS = 200  # of every curve at most


class Reporter(BaseCallback):
    """Passes progress on once per rollout, and now and then what the learner notes of its training."""

    def __init__(self, steps: int, progress: Progress, learner: str, log: Logbook = unwritten) -> None:
        super().__init__()
        self._steps, self._progress, self._message = steps, progress, f"training {learner}"
        self._log, self._logged = log, 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._progress(min(1.0, self.num_timesteps / self._steps), self._message)
        if self.num_timesteps - self._logged >= self._steps / _POINTS:
            self._logged = self.num_timesteps
            self._write()

    def _write(self) -> None:
        """The losses of the update before this rollout, and the mean return of the stays that ended lately."""
        for tag, value in sorted(self.model.logger.name_to_value.items()):
            if tag.startswith("train/") and isinstance(value, numbers.Real):
                self._log(tag, float(value), self.num_timesteps)
        if self.model.ep_info_buffer:
            returns = [stay["r"] for stay in self.model.ep_info_buffer]
            self._log("train/reward_per_stay", float(np.mean(returns)), self.num_timesteps)


def network_settings(hidden: tuple[int, ...], activation: Activation) -> dict[str, Any]:
    """Hidden layers as the learners of Stable-Baselines3 take them."""
    return {"net_arch": list(hidden), "activation_fn": nn.ReLU if activation == "relu" else nn.Tanh}


def activation_of(layers: Iterable[nn.Module]) -> Activation:
    """What lies between the layers of a network made by `network_settings`."""
    return "tanh" if any(isinstance(layer, nn.Tanh) for layer in layers) else "relu"


def remember_executed(model: OffPolicyAlgorithm) -> None:
    """Let the replay of an off-policy learner hold what was executed, where a limit or a shield changed the action."""
    assert model.replay_buffer is not None
    add = model.replay_buffer.add

    def add_executed(obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: list[dict[str, Any]]) -> None:
        kept = np.array(action)
        for row, info in enumerate(infos):
            if "executed" in info:
                kept[row] = info["executed"]
        add(obs, next_obs, kept, reward, done, infos)

    model.replay_buffer.add = add_executed  # type: ignore[method-assign]


@contextmanager
def seeded_apart(threads: int) -> Iterator[None]:
    """Let a library seed the global generators, and put them and torch's threads back afterwards."""
    before = torch.get_num_threads()
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - what SB3 seeds
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_num_threads(before)
