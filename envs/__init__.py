"""Treatments: actions, rewards and constraints on a patient; the pure core and its three shells.

Importing this folder is cheap: the functions load what they need when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..contracts import Decisions, Spec, Trajectories, Treatment
    from .pictures import Sight
    from .rewards import Reward
    from .sb3_vec import SB3VecEnv

# Name of each environment -> "module:function" in this folder; the function's keywords are the environment's options.
ENVS: dict[str, str] = {
    "posology/Sepsis-v0": "sepsis:sepsis",
    "posology/SepsisImaging-v0": "sepsis_imaging:sepsis_imaging",
    "posology/Propofol-v0": "propofol:propofol",
    "posology/Glucose-v0": "glucose:glucose",
    "posology/HIV-v0": "hiv:hiv",
    "posology/Tumor-v0": "tumor:tumor",
    "posology/ICUSepsis-v0": "icu_sepsis:icu_sepsis",
    "posology/Warfarin-v0": "warfarin:warfarin",
    "posology/Learned-v0": "learned:learned",
}

# Name of each reward -> "module:function", called with the spec, the hours to the horizon and the reward's options.
REWARDS: dict[str, str] = {
    "survival": "rewards:survival",
    "hypnosis_in_range": "range_reward:hypnosis_in_range",
    "hypnosis_error": "cost_rewards:hypnosis_error",
    "glucose_in_range": "range_reward:glucose_in_range",
    "glucose_risk": "cost_rewards:glucose_risk",
    "hiv_benefit": "hiv_rewards:hiv_benefit",
    "hiv_control": "hiv_rewards:hiv_control",
    "chemoradiation": "tumor_reward:tumor_reward",
    "inr_in_range": "anticoagulation_reward:inr_in_range",
    "inr_distance": "anticoagulation_reward:inr_distance",
}


def treatment(name: str, **options: object) -> Treatment:
    """The environment core `name` of the table, with its options; KeyError or TypeError name what is known."""
    from .build import build

    return build(ENVS, name, options)


def reward(name: str, spec: Spec, hours: float, **options: object) -> Reward:
    """The reward `name` of the table for patients of `spec` over `hours`; KeyError or TypeError as for `treatment`."""
    from .build import build_reward

    return build_reward(REWARDS, name, {"spec": spec, "hours": hours, **options})


def decisions(treatment: Treatment, trajectories: Trajectories) -> Decisions:
    """Logged stays as `Decisions` of a treatment; see `posology.envs.logged.decisions`."""
    from .logged import decisions as logged

    return logged(treatment, trajectories)


def sb3_env(
    env: str | Treatment,
    num_envs: int = 256,
    *,
    seed: int | None = None,
    privileged: bool = False,
    device: str = "cpu",
    observation: Sight = "vector",
    **options: object,
) -> SB3VecEnv:
    """A Stable-Baselines3 `VecEnv` of `num_envs` patients: an environment's name with its options, or a treatment.

    `observation="image"` shows the last picture too, where the patients have some.
    """
    from .sb3_vec import SB3VecEnv

    return SB3VecEnv(env, num_envs, seed=seed, privileged=privileged, device=device, observation=observation, **options)
