"""One patient as a `gymnasium.Env`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from ..contracts import PatientState, Treatment
from ..trajectories.ward import Ward, asked, decide
from . import ENVS
from .admissions import action_tensor, readmit
from .build import treatment_of
from .observation import BOUND
from .pictures import Pictured, Sight, fresh, one, pictured, seen
from .render_screen import MODES, Screen
from .render_style import FRAMES_PER_SECOND


class PatientEnv(gymnasium.Env[Any, Any]):
    """A stay is an episode: death and discharge terminate it, the horizon truncates it.

    `reset(seed=s)` admits the first patient of seed s, `reset()` the next one. `info` holds `costs` (J,), the `dose`
    (U,) given and the `outcome`; behind a shield also the `intended` dose and the costs `attempted`; with
    `privileged`, the patient's hidden `privileged` memory (M,) too.
    `render_mode` "rgb_array" draws the stay so far when `render` is called, "human" in a window at every step.
    With `observation="image"` an observation is a dictionary: the last scan `image` (1, H, W) uint8, its `age` (1,) in
    days, and the usual `vector` (O,); ValueError where the patients have no pictures.
    """

    metadata: dict[str, Any] = {"render_modes": [*MODES], "render_fps": FRAMES_PER_SECOND}
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]

    def __init__(
        self,
        env: str | Treatment,
        *,
        privileged: bool = False,
        device: str = "cpu",
        render_mode: str | None = None,
        observation: Sight = "vector",
        **options: object,
    ) -> None:
        self.treatment = treatment_of(ENVS, env, options)
        self._pictured = pictured(self.treatment, observation)
        self.privileged = privileged
        self.device = device
        self.render_mode = render_mode
        self._screen = None if render_mode is None else Screen(self.treatment, render_mode)
        self.observation_space = observation_space(self.treatment, self._pictured)
        self.action_space = action_space(self.treatment)
        self._ward: Ward | None = None
        self._ended = True

    @torch.no_grad()
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Admit a patient."""
        super().reset(seed=seed)
        self._ward = readmit(self.treatment, self._ward, [seed], self._entropy, device=self.device)
        self._ended = False
        if self._screen is not None:
            self._screen.admit(self._ward.state)
        return self._observe(self._ward.state), self._hidden(self._ward.state)

    @torch.no_grad()
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One decision, an integer or (U,); RuntimeError where nobody is in care."""
        if self._ward is None or self._ended:
            raise RuntimeError("expected a patient in care, but the stay has ended or never began: call reset()")
        step = decide(self.treatment, self._ward, action_tensor(self.treatment, action, None, self.device))
        ward = self._ward
        self._ward = Ward(ward.seed, ward.admission, ward.decision + 1, step.state)
        terminated, truncated = bool(step.terminated), bool(step.truncated)
        self._ended = terminated or truncated
        if self._screen is not None:
            self._screen.follow(ward.state, step)
        info = {
            "costs": fresh(step.costs[0]),
            "dose": fresh(step.dose[0]),
            "outcome": int(step.state.outcome),
            **{name: fresh(value[0]) for name, value in asked(step).items()},
            **self._hidden(step.state),
        }
        return self._observe(step.state), float(step.reward), terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """The stay so far as a picture (700, 1000, 3), in mode "rgb_array"; RuntimeError before a patient is here."""
        return None if self._screen is None else self._screen.picture()

    def close(self) -> None:
        """Close the window of mode "human"."""
        if self._screen is not None:
            self._screen.close()

    @torch.no_grad()
    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions (A,) bool now, as masked learners ask for them; all where nothing is enforced."""
        if self._ward is None:
            raise RuntimeError("expected a patient in care: call reset() first")
        row: NDArray[np.bool_] = masks(self.treatment, self._ward.state)[0]
        return row

    def _entropy(self) -> int:
        return int(self.np_random.integers(1 << 62))

    def _observe(self, state: PatientState) -> Any:
        return one(seen(self._pictured, state, self.treatment.observe(state)), 0)

    def _hidden(self, state: PatientState) -> dict[str, Any]:
        return {"privileged": fresh(state.memory[0])} if self.privileged else {}


def observation_space(treatment: Treatment, pictures: Pictured | None = None) -> spaces.Space[Any]:
    """The box of one observation (O,), or a dictionary with the last scan and its age in days."""
    box = spaces.Box(-BOUND, BOUND, (treatment.observation_dim,), np.float32)
    if pictures is None:
        return box
    image = spaces.Box(0, 255, (1, *pictures.picture_shape), np.uint8)
    return spaces.Dict({"image": image, "age": spaces.Box(0.0, 10_000.0, (1,), np.float32), "vector": box})


def action_space(treatment: Treatment) -> spaces.Space[Any]:
    """The A discrete actions, or the box (U,) of continuous ones."""
    if treatment.actions is None:
        return spaces.Box(-1.0, 1.0, (len(treatment.spec.drugs),), np.float32)
    return spaces.Discrete(treatment.actions)


def masks(treatment: Treatment, state: PatientState) -> NDArray[np.bool_]:
    """Allowed actions (B, A) bool of every row; TypeError where actions are continuous."""
    if treatment.actions is None:
        raise TypeError("continuous actions have no masks: hard limits project what is executed")
    allowed = treatment.allowed(state)
    if allowed is None:
        return np.ones((len(state), treatment.actions), dtype=np.bool_)
    array: NDArray[np.bool_] = allowed.cpu().numpy()
    return array
