"""Many patients at once as a Stable-Baselines3 `VecEnv`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from gymnasium import Wrapper
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from ..contracts import Treatment
from ..trajectories.ward import Round, Ward, advance, asked, executed
from . import ENVS
from .admissions import action_tensor, readmit
from .build import treatment_of
from .gym_env import action_space, masks, observation_space
from .pictures import Sight, one, pictured, seen

Array = NDArray[Any]
Indices = None | int | Iterable[int]


class SB3VecEnv(VecEnv):
    """B beds stepped as one batch; rows that end are readmitted within the step, as SB3 expects.

    Every info holds the step's `costs` (J,), and where a limit or a shield changed the action the `executed` one; a row
    that ended also `terminal_observation`, its `outcome` and `episode` (return `r`, length `l`), as SB3's monitor would
    give them. `TimeLimit.truncated` is set only where the treatment says that value goes on beyond the horizon. With
    `observation="image"` observations are dictionaries, as those of `PatientEnv`, whose arrays lead with B: what
    `MultiInputPolicy` reads.
    """

    def __init__(
        self,
        env: str | Treatment,
        num_envs: int = 256,
        *,
        seed: int | None = None,
        privileged: bool = False,
        device: str = "cpu",
        observation: Sight = "vector",
        **options: object,
    ) -> None:
        self.treatment = treatment_of(ENVS, env, options)
        self._pictured = pictured(self.treatment, observation)
        self.privileged = privileged
        self.device = device
        self._ward: Ward | None = None
        self._actions: Array | None = None
        self._entropy = np.random.default_rng()
        space = observation_space(self.treatment, self._pictured)
        super().__init__(num_envs, space, action_space(self.treatment))
        self._return = np.zeros(num_envs)
        self._length = np.zeros(num_envs, dtype=np.int64)
        if seed is not None:
            self.seed(seed)

    @torch.no_grad()
    def reset(self) -> Any:
        """Admit a patient in every bed: the first of each seed given since the last reset, else the next."""
        self._ward = readmit(self.treatment, self._ward, self._seeds, self._draw, device=self.device)
        self._reset_seeds()
        self._reset_options()
        self._return[:] = 0
        self._length[:] = 0
        self._note_admitted(range(self.num_envs))
        return seen(self._pictured, self._ward.state, self.treatment.observe(self._ward.state))

    def step_async(self, actions: Array) -> None:
        """Take the actions (B,); the work is done in `step_wait`."""
        self._actions = actions

    @torch.no_grad()
    def step_wait(self) -> tuple[Any, Array, Array, list[dict[str, Any]]]:
        """One decision in every bed: obs (B, O), rewards (B,), dones (B,), infos."""
        if self._ward is None or self._actions is None:
            raise RuntimeError("expected patients in care and actions for them: call reset(), then step_async()")
        actions = action_tensor(self.treatment, self._actions, self.num_envs, self.device)
        before, result = self._ward.state, advance(self.treatment, self._ward, actions)
        self._ward, self._actions = result.ward, None
        reward = result.step.reward.cpu().numpy()
        self._return += reward
        self._length += 1
        done = result.done.cpu().numpy()
        infos: list[dict[str, Any]] = [{"costs": costs} for costs in result.step.costs.cpu().numpy()]
        for name, column in asked(result.step).items():
            for info, value in zip(infos, column.cpu().numpy(), strict=True):
                info[name] = value
        rows, instead = executed(self.treatment, before, actions, result.step)
        for row, action in zip(rows.tolist(), instead.cpu().numpy(), strict=True):
            infos[row]["executed"] = action
        if self.privileged:
            for info, memory in zip(infos, result.step.state.memory.cpu().numpy(), strict=True):
                info["privileged"] = memory
        over = np.flatnonzero(done)
        if len(over):
            self._close_stays(result, over, infos)
        return seen(self._pictured, result.ward.state, result.obs), reward, done, infos

    def _close_stays(self, result: Round, rows: Array, infos: list[dict[str, Any]]) -> None:
        ended = torch.from_numpy(rows).to(result.done.device)
        last = seen(self._pictured, result.step.state.rows(ended), result.final_obs[ended])
        outcome = result.step.state.outcome.cpu().numpy()
        truncated = result.step.truncated.cpu().numpy()
        for i, row in enumerate(rows.tolist()):
            info = infos[row]
            info["terminal_observation"] = one(last, i)
            info["outcome"] = int(outcome[row])
            info["episode"] = {"r": float(self._return[row]), "l": int(self._length[row]), "t": 0.0}
            if self.treatment.bootstrap_at_horizon and truncated[row]:
                info["TimeLimit.truncated"] = True
        self._return[rows] = 0
        self._length[rows] = 0
        self._note_admitted(rows.tolist())

    def _note_admitted(self, rows: Iterable[int]) -> None:
        if self.privileged and self._ward is not None:
            memory = self._ward.state.memory.cpu().numpy()
            for row in rows:
                self.reset_infos[row] = {"privileged": memory[row]}

    @torch.no_grad()
    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions (B, A) bool now; all where nothing is enforced."""
        if self._ward is None:
            raise RuntimeError("expected patients in care: call reset() first")
        return masks(self.treatment, self._ward.state)

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The attribute, shared by all rows; `action_masks` gives each row its own mask."""
        value = None if attr_name == "render_mode" else getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Refused: rows share one immutable treatment."""
        raise TypeError(f"cannot set {attr_name!r}: a treatment does not change, build another environment with it")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch; `action_masks` is split by row, as masked learners ask for it."""
        value = getattr(self, method_name)(*method_args, **method_kwargs)
        return [value[i] if method_name == "action_masks" else value for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Wrapper[Any, Any, Any, Any]], indices: Indices = None) -> list[bool]:
        """True for SB3's `Monitor` alone, whose `episode` entries this environment writes itself."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def _draw(self) -> int:
        return int(self._entropy.integers(1 << 62))
