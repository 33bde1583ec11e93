"""What training with Stable-Baselines3 needs around it: progress, and global generators left as they were found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from ..contracts import Progress


class Reporter(BaseCallback):
    """Passes progress on once per rollout."""

    def __init__(self, steps: int, progress: Progress, learner: str) -> None:
        super().__init__()
        self._steps, self._progress, self._message = steps, progress, f"training {learner}"

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._progress(min(1.0, self.num_timesteps / self._steps), self._message)


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
