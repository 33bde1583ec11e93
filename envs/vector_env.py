"""Many patients at once as a `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import PatientState, Step, Treatment
from ..trajectories.ward import Round, Ward, advance, asked, put
from . import ENVS
from .admissions import action_tensor, readmit, row_seeds
from .build import treatment_of
from .gym_env import action_space, masks, observation_space
from .pictures import Sight, fresh, one, pictured, seen

Array = NDArray[Any]


class PatientVectorEnv(VectorEnv[Any, Array, Array]):
    """B beds under SAME_STEP autoreset: a bed whose stay ends is filled within the same step.

    `reset(seed=s)` seeds row i with s + i, and every row equals the single environment of its seed. `infos` holds
    `costs` (B, J), `dose` (B, U) and `outcome` (B,) of the step for all rows; rows that ended also have `final_obs`
    and `final_info`. `privileged` in `infos` is the memory (B, M) after the autoreset. With `observation="image"`
    observations are dictionaries, as those of `PatientEnv`, whose arrays lead with B.
    """

    def __init__(
        self,
        env: str | Treatment,
        num_envs: int = 1,
        *,
        privileged: bool = False,
        device: str = "cpu",
        observation: Sight = "vector",
        **options: object,
    ) -> None:
        self.treatment = treatment_of(ENVS, env, options)
        self._pictured = pictured(self.treatment, observation)
        self.num_envs = num_envs
        self.privileged = privileged
        self.device = device
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = observation_space(self.treatment, self._pictured)
        self.single_action_space = action_space(self.treatment)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._ward: Ward | None = None

    @torch.no_grad()
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Admit a patient in every bed, or in those where `options["reset_mask"]` (B,) bool is true."""
        super().reset(seed=seed if isinstance(seed, int) else None)
        ward = readmit(self.treatment, self._ward, row_seeds(seed, self.num_envs), self._entropy, device=self.device)
        mask = (options or {}).get("reset_mask")
        if mask is not None and self._ward is not None:
            rows = torch.as_tensor(self._checked(mask), device=self.device).nonzero()[:, 0]
            ward = put(self._ward, rows, _pick(ward, rows))
        self._ward = ward
        obs = seen(self._pictured, ward.state, self.treatment.observe(ward.state))
        return obs, self._hidden(ward.state)

    @torch.no_grad()
    def step(self, actions: Array) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """One decision in every bed."""
        if self._ward is None:
            raise RuntimeError("expected patients in care: call reset() first")
        chosen = action_tensor(self.treatment, actions, self.num_envs, self.device)
        result = advance(self.treatment, self._ward, chosen)
        self._ward = result.ward
        step = result.step
        infos = {**_info(step), **self._hidden(result.ward.state)}
        if bool(result.done.any()):
            infos |= self._final(result)
        terminated, truncated = step.terminated.cpu().numpy(), step.truncated.cpu().numpy()
        obs = seen(self._pictured, result.ward.state, result.obs)
        return obs, step.reward.double().cpu().numpy(), terminated, truncated, infos

    @torch.no_grad()
    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions (B, A) bool now; all where nothing is enforced."""
        if self._ward is None:
            raise RuntimeError("expected patients in care: call reset() first")
        return masks(self.treatment, self._ward.state)

    def _final(self, result: Round) -> dict[str, Any]:
        """Last observations as an array of objects, as Gymnasium does, and the info of the rows that ended."""
        done = result.done.cpu().numpy()
        rows = result.done.nonzero()[:, 0]
        last = seen(self._pictured, result.step.state.rows(rows), result.final_obs[rows])
        final_obs = np.full(self.num_envs, None, dtype=object)
        for place, row in enumerate(rows.tolist()):
            final_obs[row] = one(last, place)
        info = {**_info(result.step), **self._hidden(result.step.state)}
        info |= {name: done.copy() for name in info if name.startswith("_")}
        return {"final_obs": final_obs, "_final_obs": done, "final_info": info, "_final_info": done.copy()}

    def _hidden(self, state: PatientState) -> dict[str, Any]:
        return _masked("privileged", state.memory) if self.privileged else {}

    def _entropy(self) -> int:
        return int(self.np_random.integers(1 << 62))

    def _checked(self, mask: object) -> Array:
        array = np.asarray(mask)
        if array.shape != (self.num_envs,) or array.dtype != np.bool_ or not array.any():
            raise ValueError(
                f"reset_mask: expected ({self.num_envs},) bool with a true entry, got {array.dtype} of {array.shape}"
            )
        return array


def _pick(ward: Ward, rows: Tensor) -> Ward:
    return Ward(ward.seed[rows], ward.admission[rows], ward.decision[rows], ward.state.rows(rows))


def _info(step: Step) -> dict[str, Any]:
    columns = {"costs": step.costs, "dose": step.dose, **asked(step), "outcome": step.state.outcome}
    return {key: value for name, tensor in columns.items() for key, value in _masked(name, tensor).items()}


def _masked(name: str, tensor: Tensor) -> dict[str, Any]:
    """A column of infos with Gymnasium's mask of the rows that have it: a fresh copy of both."""
    return {name: fresh(tensor), f"_{name}": np.ones(len(tensor), dtype=np.bool_)}
