"""Posology: learned patient simulators, treatment policies, and their honest evaluation."""

from importlib.metadata import version

import gymnasium

from .envs import ENVS

__version__ = version("posology")

for _name in ENVS:
    if _name not in gymnasium.registry:
        gymnasium.register(
            id=_name,
            entry_point="posology.envs.gym_env:PatientEnv",
            vector_entry_point="posology.envs.vector_env:PatientVectorEnv",
            kwargs={"env": _name},
        )
