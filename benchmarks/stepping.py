"""Stepping environments: many patients in one batch against a loop over single environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv

from ..contracts import Treatment
from ..envs import sb3_env, treatment
from ..envs.gym_env import PatientEnv
from ..envs.vector_env import PatientVectorEnv
from .models import flops, learned_model
from .registry import Contest

SINGLES = 8  # single environments that stand for the naive loop; its rate does not depend on their number
CHECKED = 2  # rows whose observations must agree before anything is timed
UNIT = "patient steps"
Array = NDArray[Any]
Stepper = Callable[[Array], Array]  # actions (B,) in, observations (B, O) out


def learned_vector() -> Contest:
    """1,024 rows of the learned environment through Gymnasium's vector API."""
    model = learned_model()
    core = treatment("posology/Learned-v0", model=model)
    return _contest(core, _vector, rows=1024, goal=20.0, flops=flops(model))


def learned_sb3() -> Contest:
    """256 rows of the learned environment through SB3's API, as PPO steps them."""
    model = learned_model()
    return _contest(treatment("posology/Learned-v0", model=model), _sb3, rows=256, goal=6.0, flops=flops(model))


def sepsis_vector() -> Contest:
    """1,024 rows of the mechanistic sepsis patient."""
    return _contest(treatment("posology/Sepsis-v0"), _vector, rows=1024, goal=20.0)


def _contest(
    core: Treatment,
    batched: Callable[[Treatment, int], Stepper],
    *,
    rows: int,
    goal: float,
    flops: float | None = None,
) -> Contest:
    """Both sides play random actions, with noise and autoreset."""
    naive, batch = _dummy(core, SINGLES), batched(core, rows)
    rng = np.random.default_rng(0)

    def play(step: Stepper, width: int, steps: int) -> int:
        for actions in rng.integers(0, core.spec.actions, (steps, width)):
            step(actions)
        return steps * width

    def check() -> None:
        ours, theirs = batched(core, CHECKED), _dummy(core, CHECKED)
        for actions in rng.integers(0, core.spec.actions, (core.horizon + 2, CHECKED)):
            np.testing.assert_allclose(ours(actions), theirs(actions), atol=1e-4)

    return Contest(
        reference=lambda: play(naive, SINGLES, 10),
        candidate=lambda: play(batch, rows, 20),
        check=check,
        unit=UNIT,
        goal=goal,
        flops=flops,
    )


def _dummy(core: Treatment, rows: int) -> Stepper:
    env = DummyVecEnv([lambda: PatientEnv(core) for _ in range(rows)])
    env.seed(0)
    env.reset()
    return lambda actions: np.asarray(env.step(actions)[0])


def _vector(core: Treatment, rows: int) -> Stepper:
    env = PatientVectorEnv(core, rows)
    env.reset(seed=0)
    return lambda actions: env.step(actions)[0]


def _sb3(core: Treatment, rows: int) -> Stepper:
    env = sb3_env(core, rows, seed=0)
    env.reset()
    return lambda actions: np.asarray(env.step(actions)[0])
