"""A one-step patient whose right treatment is written in its observation, as logged decisions and as an environment."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from posology.contracts import Decisions
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

ACTIONS = 4


def observe(need: Tensor) -> Tensor:
    """Observation (..., ACTIONS + 1): the needed action one-hot, and a constant that says nothing."""
    return torch.cat([torch.nn.functional.one_hot(need, ACTIONS).float(), torch.ones(*need.shape, 1)], -1)


class IdentityEnv(VecEnv):
    """Reward 1 where the action is the needed one; every stay lasts one decision."""

    def __init__(self, num_envs: int = 64) -> None:
        super().__init__(num_envs, spaces.Box(-8, 8, (ACTIONS + 1,), np.float32), spaces.Discrete(ACTIONS))
        self.generator = torch.Generator().manual_seed(0)
        self.need = torch.zeros(num_envs, dtype=torch.int64)

    def _admit(self) -> np.ndarray:
        self.need = torch.randint(ACTIONS, (self.num_envs,), generator=self.generator)
        return observe(self.need).numpy()

    def reset(self) -> np.ndarray:
        self.generator.manual_seed(self._seeds[0] or 0)
        return self._admit()

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = torch.as_tensor(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        reward = (self.actions == self.need).float().numpy()
        last = observe(self.need).numpy()
        infos: list[dict[str, Any]] = [{"terminal_observation": last[i]} for i in range(self.num_envs)]
        return self._admit(), reward, np.ones(self.num_envs, dtype=bool), infos

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Sequence[Any]:
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def logged(stays: int, seed: int, *, skill: float = 1.0, steps: int = 1) -> Decisions:
    """Stays whose clinician gives what is needed with probability `skill`, else any action; ragged by a mask."""
    generator = torch.Generator().manual_seed(seed)
    need = torch.randint(ACTIONS, (stays, steps + 1), generator=generator)
    anything = torch.randint(ACTIONS, (stays, steps), generator=generator)
    action = torch.where(torch.rand(stays, steps, generator=generator) < skill, need[:, :steps], anything)
    length = torch.randint(1, steps + 1, (stays, 1), generator=generator)
    mask = torch.arange(steps) < length
    return Decisions(
        obs=observe(need),
        action=action,
        allowed=None,
        reward=torch.where(mask, (action == need[:, :steps]).float(), 0.0),
        hours=torch.where(mask, 4.0, 0.0),
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


@pytest.fixture(scope="session")
def identity_env() -> Callable[..., IdentityEnv]:
    return IdentityEnv


@pytest.fixture(scope="session")
def make_logged() -> Callable[..., Decisions]:
    return logged


@pytest.fixture(scope="session")
def actions() -> int:
    return ACTIONS
