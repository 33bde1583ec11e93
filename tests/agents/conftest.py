"""A one-step patient whose right treatment is written in its observation, as logged decisions and as an environment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from posology.contracts import DISCHARGED, IN_CARE, Decisions, Drug, Feature, PatientState, Spec, Step
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
        return [self.action_masks if attr_name == "action_masks" else None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def action_masks(self) -> np.ndarray:
        return np.ones((self.num_envs, ACTIONS), dtype=bool)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Sequence[Any]:
        return list(self.action_masks()) if method_name == "action_masks" else [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


@dataclass(frozen=True)
class IdentityTreatment:
    """The same patient as a `Treatment`: reward 1 for the needed level, or 1 less the squared distance to the dose.

    `worth` (ACTIONS,) instead pays each level the same whoever has it, and `charge` (ACTIONS,) is its cost. A stay
    lasts `decisions` of `interval_hours` each, ends by discharge, or at the horizon where it is `open_ended`.
    """

    continuous: bool = False
    decisions: int = 1
    interval_hours: float = 4.0
    open_ended: bool = False
    bootstrap_at_horizon: bool = False
    forbidden: int | None = None  # a level that is masked
    worth: tuple[float, ...] | None = None
    charge: tuple[float, ...] = (0.0,) * ACTIONS
    patient = None
    believer = None
    noise_dim = 1
    admit_noise_dim = 1
    observation_dim = ACTIONS + 1
    constraints = (SimpleNamespace(name="burden", unit="1", limit=0.0, hard=False),)

    @property
    def spec(self) -> Spec:
        features = tuple(Feature(f"need {i}", "1", 0.0, 1.0, (0.0, 1.0)) for i in range(ACTIONS + 1))
        levels = tuple(float(i) for i in range(ACTIONS))
        return Spec(features, (Drug("drug", "mg/h", 10.0, levels, tuple(level + 0.5 for level in levels[:-1])),))

    @property
    def actions(self) -> int | None:
        return None if self.continuous else ACTIONS

    @property
    def horizon(self) -> int:
        return self.decisions

    @property
    def horizon_hours(self) -> float:
        return self.decisions * self.interval_hours

    def admit(self, noise: Tensor) -> PatientState:
        return self._state(self._need(noise), torch.zeros(len(noise)), torch.full((len(noise),), IN_CARE))

    def observe(self, state: PatientState) -> Tensor:
        return state.vitals.clone()

    def allowed(self, state: PatientState) -> Tensor | None:
        if self.forbidden is None:
            return None
        allowed = torch.ones(len(state), ACTIONS, dtype=torch.bool)
        allowed[:, self.forbidden] = False
        return allowed

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        return 5 * (action + 1) if self.continuous else action[:, None].float()

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        return dose / 5 - 1 if self.continuous else dose[:, 0].long()

    def interval(self, state: PatientState, action: Tensor) -> Tensor:
        return torch.full_like(state.hours, self.interval_hours)

    def step(self, state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        need = state.vitals[:, :ACTIONS].argmax(1)
        over = state.hours + hours > self.horizon_hours - 1e-3
        if self.continuous:
            reward = 1 - (action[:, 0] - (need / (ACTIONS - 1) * 1.2 - 0.6)) ** 2
            cost = torch.zeros_like(reward)
        else:
            reward = (action == need).float() if self.worth is None else torch.tensor(self.worth)[action]
            cost = torch.tensor(self.charge)[action]
        ended = over & (not self.open_ended)
        after = self._state(self._need(noise), state.hours + hours, torch.where(ended, DISCHARGED, IN_CARE))
        return Step(after, reward, ended, over & ~ended, cost[:, None], self.decode(state, action), hours)

    def _need(self, noise: Tensor) -> Tensor:
        return (torch.special.ndtr(noise[:, 0]) * ACTIONS).long().clamp(0, ACTIONS - 1)

    def _state(self, need: Tensor, hours: Tensor, outcome: Tensor) -> PatientState:
        obs, empty = observe(need), torch.zeros(len(need), 0)
        dose = torch.zeros(len(need), 1)
        return PatientState(obs, obs > -1, torch.zeros_like(obs), empty, empty, empty, hours, dose, dose, outcome)


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


@pytest.fixture(scope="session")
def identity_treatment() -> Callable[..., IdentityTreatment]:
    return IdentityTreatment
