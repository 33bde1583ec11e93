"""Training PPO in the learned environment: SB3 over single environments, SB3 over one batch, and on the device."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from ..agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ..agents.sb3 import PPOConfig, fit_ppo
from ..contracts import Treatment
from ..envs import sb3_env, treatment
from ..envs.gym_env import PatientEnv
from .models import learned_model
from .registry import Contest

BEDS = 256
UPDATES = 4  # rollouts a round
SCHEDULE = PPOConfig()  # the same for all three


def sb3_batched() -> Contest:
    """SB3 PPO on one batch of 256 patients against SB3 PPO on 256 single environments."""
    core = treatment("posology/Learned-v0", model=learned_model())
    batched = sb3_env(core, BEDS, seed=0)
    return _contest(core, lambda: _sb3(batched), goal=6.0)


def on_device() -> Contest:
    """On-device PPO against SB3 PPO on 256 single environments."""
    core = treatment("posology/Learned-v0", model=learned_model())
    return _contest(core, lambda: _own(core), goal=10.0)


def on_device_against_batched() -> Contest:
    """On-device PPO against SB3 PPO on one batch."""
    core = treatment("posology/Learned-v0", model=learned_model())
    batched = sb3_env(core, BEDS, seed=0)
    return Contest(lambda: _sb3(batched), lambda: _own(core), lambda: _check(core), "frames", 1.4)


def _contest(core: Treatment, candidate: Callable[[], int], goal: float) -> Contest:
    singles = DummyVecEnv([lambda: PatientEnv(core) for _ in range(BEDS)])
    singles.seed(0)
    return Contest(lambda: _sb3(singles), candidate, lambda: _check(core), "frames", goal)


def _check(core: Treatment) -> None:
    """All train networks of the same size on the same schedule."""
    steps = SCHEDULE.rollout * BEDS
    theirs = fit_ppo(sb3_env(core, BEDS, seed=0), PPOConfig(steps=steps), seed=0)
    ours = fit_masked_ppo(core, MaskedPPOConfig(steps=steps, beds=BEDS), seed=0)
    assert {k: v.shape for k, v in theirs.weights().items()} == {k: v.shape for k, v in ours.weights().items()}
    names = ("rollout", "minibatches", "epochs", "hidden", "activation", "discount", "gae_lambda", "entropy")
    assert all(getattr(PPOConfig(), name) == getattr(MaskedPPOConfig(), name) for name in names)


def _sb3(env: VecEnv) -> int:
    frames = SCHEDULE.rollout * BEDS
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=SCHEDULE.rollout,
        batch_size=frames // SCHEDULE.minibatches,
        n_epochs=SCHEDULE.epochs,
        policy_kwargs={"net_arch": list(SCHEDULE.hidden)},
        seed=0,
        device="cpu",
    )
    model.learn(UPDATES * frames)
    return UPDATES * frames


def _own(core: Treatment) -> int:
    frames = SCHEDULE.rollout * BEDS
    fit_masked_ppo(core, MaskedPPOConfig(steps=UPDATES * frames, beds=BEDS), seed=0)
    return UPDATES * frames
