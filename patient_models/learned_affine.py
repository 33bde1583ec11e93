"""Learned patients without memory: what comes next is an affine function of what is known now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..contracts import PatientState, Spec, Trajectories
from .dose_range import refuse_outside
from .learned_files import load_parts, save_parts
from .learned_heads import Forecast, forecast
from .learned_inputs import states_of
from .learned_setting import Setting
from .learned_step import drawn, step_noise


@dataclass(frozen=True, eq=False)
class Affine:
    """A `PatientModel` whose raw outputs are `weight` times the inputs: `kind` says how it was fitted."""

    kind: str  # "linear" or "persistence"
    setting: Setting
    weight: Tensor  # (I + 1, P), the last row the intercept
    _on: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def spec(self) -> Spec:
        return self.setting.spec

    @property
    def noise_dim(self) -> int:
        return step_noise(self.spec)

    @property
    def admit_noise_dim(self) -> int:
        return self.setting.admission.noise_dim

    @property
    def fixed_hours(self) -> float | None:
        return self.setting.fixed_hours

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """New patients, like the first states of the training stays; ValueError for a wrong number of columns."""
        return self.setting.admit(context, noise, noise.new_zeros(len(noise), 0))

    def forecast(self, state: PatientState, dose: Tensor, hours: Tensor) -> Forecast:
        """What is expected `hours` (B,) later under `dose` (B, U)."""
        return forecast(self._raw(state, dose, hours), self.setting.layout.values(state.vitals), hours)

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients later, with noise (B, 2 D + 2); ValueError outside a drug's range."""
        refuse_outside(self.spec, dose, hours, self.setting.longest_hours)
        return drawn(self.setting.layout, state, self._raw(state, dose, hours), (dose, hours), noise)

    def disagreement(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Zero (B,): a single model never disagrees with itself."""
        return torch.zeros_like(hours)

    def resume(self, stays: Trajectories) -> PatientState:
        """Every recorded state (N * (T + 1) rows, stay by stay), ready to be stepped."""
        return states_of(stays)

    def save(self, folder: str | Path) -> Path:
        """Write `model.json` and `weights.safetensors` into a new folder; FileExistsError where they exist."""
        return save_parts(folder, self.kind, self.setting, {}, {"weight": self.weight})

    @classmethod
    def load(cls, folder: str | Path) -> Affine:
        """What `save` wrote."""
        parts = load_parts(folder, ("linear", "persistence"))
        return cls(parts.kind, parts.setting, parts.weights["weight"])

    def _raw(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Raw outputs (B, P)."""
        device = dose.device
        if device not in self._on:
            self._on[device] = self.weight.to(device)
        weight = self._on[device]
        return torch.addmm(weight[-1], self.setting.layout.columns(state, dose, hours), weight[:-1])
