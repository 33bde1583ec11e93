"""A tabular patient: finitely many states, each with its measurements, and a transition table; one fixed step.

What happens next is drawn by inverting the distribution function over next states sorted from worst to best, so that
one patient's noise means the same luck under any dose (common random numbers, monotone coupling).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import DIED, DISCHARGED, IN_CARE, PatientState, Spec
from ..trajectories.levels import action_of_dose, dose_of_action
from .dose_range import refuse_outside
from .tabular_solve import chain, solve_values

STATE = 0  # column of the memory: the state's number
COLUMN = {"state": STATE}
_CHUNK = 16_384  # rows compared with every state at once
_LARGEST = 1 - 2.0**-24  # below one in float32


@dataclass(frozen=True, eq=False)
class Tabular:
    """A `PatientModel` with S states in care; everything is measured at every decision.

    `admissible` says which of the A actions exist in a state. It is what masks, clinicians, planning and counting all
    go by; the transition of an inadmissible action is defined all the same, for whoever takes it. ValueError where
    shapes do not fit, a row is no distribution or a state has no admissible action.
    """

    spec: Spec
    transition: Tensor  # (S, A, S + 2) float64: to the states in care, discharge, death
    start: Tensor  # (S,) float64: where patients are admitted
    admissible: Tensor  # (S, A) bool
    values: Tensor  # (S, D) float32: what is measured in each state, no two alike
    fixed_hours: float = 4.0
    _on: dict[torch.device, tuple[Tensor, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        states, actions = len(self.start), self.spec.actions
        shapes = {
            "transition": (states, actions, states + 2),
            "admissible": (states, actions),
            "values": (states, len(self.spec.features)),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {tuple(getattr(self, name).shape)}")
        total = torch.cat([self.transition.sum(2).flatten(), self.start.sum()[None]])
        if bool((self.transition < 0).any()) or not torch.allclose(total, torch.ones_like(total), atol=1e-6):
            raise ValueError("transition and start: expected probabilities that sum to one in every row")
        bare = (~self.admissible.any(1)).nonzero()[:, 0].tolist()
        if bare:
            raise ValueError(f"state {bare[0]} (of {len(bare)}) has no admissible action; give it at least one")
        if self.spec.context:
            raise ValueError("a tabular patient has no context: make what is known at admission part of its states")

    @property
    def noise_dim(self) -> int:
        return 1

    @property
    def admit_noise_dim(self) -> int:
        return 1

    @property
    def states(self) -> int:
        """S, the number of states in care."""
        return len(self.start)

    @functools.cached_property
    def nearest(self) -> Tensor:
        """The admissible action (S, A) int64 closest to each action in levels; of two equally close, the lower dose."""
        dose = dose_of_action(self.spec, torch.arange(self.spec.actions)).double()
        top = dose.max(0).values.clamp_min(1e-9)
        gap = (dose[:, None] / top - dose[None] / top).abs().sum(2) + 1e-6 * (dose / top).sum(1)
        return torch.where(self.admissible[:, None, :], gap, torch.inf).argmin(2)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients in their first state, drawn by noise (B, 1); ValueError for a context, which there is none of."""
        if noise.dim() != 2 or noise.shape[1] != 1:
            raise ValueError(f"noise: expected shape (B, 1), got {tuple(noise.shape)}")
        if context is not None and context.numel():
            raise ValueError(f"context: a tabular patient has none, got shape {tuple(context.shape)}")
        _, first, order, start, values = self._tables(noise.device)
        state = order[_invert(start, torch.zeros_like(noise[:, 0], dtype=torch.int64), first, noise[:, 0])]
        nothing = noise.new_zeros(len(noise), len(self.spec.drugs))
        measured = values[state]
        return PatientState(
            vitals=measured,
            seen=torch.ones_like(measured, dtype=torch.bool),
            age=torch.zeros_like(measured),
            memory=state[:, None].to(measured.dtype),
            belief=noise.new_zeros(len(noise), 0),
            context=noise.new_zeros(len(noise), 0),
            hours=nothing[:, 0],
            last_dose=nothing,
            total_dose=nothing,
            outcome=torch.zeros_like(state),
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """One decision later under the level that each rate of dose (B, U) falls into, by noise (B, 1).

        Raises ValueError where a dose leaves its drug's range, or hours leave 0..fixed_hours.
        """
        refuse_outside(self.spec, dose, hours, self.fixed_hours)
        table, width, order, _, values = self._tables(dose.device)
        now = state.memory[:, STATE].long()
        row = (now * self.spec.actions + action_of_dose(self.spec, dose)) * width
        drawn = order[_invert(table, row, width, noise[:, 0])]
        in_care = state.outcome == IN_CARE
        fate = torch.where(drawn == self.states, DISCHARGED, torch.where(drawn > self.states, DIED, IN_CARE))
        after = torch.where(in_care & (fate == IN_CARE), drawn, now)
        measured = values[after]
        return state.replace(
            vitals=measured,
            seen=torch.ones_like(state.seen),
            age=torch.zeros_like(state.age),
            memory=after[:, None].to(measured.dtype),
            hours=state.hours + hours,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=torch.where(in_care, fate, state.outcome),
        )

    def state_of(self, vitals: Tensor) -> Tensor:
        """Number (B,) int64 of the state whose measurements are nearest to vitals (B, D)."""
        values = self._tables(vitals.device)[-1]
        square = -values.square().sum(1)
        parts = [torch.addmm(square, rows, values.t(), alpha=2).max(1).indices for rows in vitals.split(_CHUNK)]
        return torch.cat(parts) if parts else vitals.new_zeros(0, dtype=torch.int64)

    def _tables(self, device: torch.device) -> tuple[Tensor, int, Tensor, Tensor, Tensor]:
        """Flat distribution functions, their width, the order of their columns, that of the start, measurements."""
        if device not in self._on:
            order = self._worst_to_best()
            table = self.transition[:, :, order].cumsum(2)
            start = torch.cat([self.start, self.start.new_zeros(2)])[order].cumsum(0)
            flat = (table.float().flatten(), order, start.float(), self.values)
            self._on[device] = tuple(x.to(device) for x in flat)
        table, order, start, values = self._on[device]
        return table, self.states + 2, order, start, values

    def _worst_to_best(self) -> Tensor:
        """All S + 2 next states by their chance of leaving alive under random admissible doses."""
        uniform = self.admissible.double() / self.admissible.sum(1, keepdim=True)
        ends = torch.tensor([1.0, 0.0], dtype=torch.float64)
        alive = solve_values(chain(self.transition, uniform), ends)
        return torch.cat([alive.clamp(1e-12, 1 - 1e-12), ends]).argsort(stable=True)


def _invert(table: Tensor, row: Tensor, width: int, noise: Tensor) -> Tensor:
    """Column (B,) int64 drawn from the distribution function that begins at `row` (B,) of the table, by bisection."""
    uniform = torch.special.ndtr(noise).clamp_max(_LARGEST)
    low, high = torch.zeros_like(row), torch.full_like(row, width - 1)
    for _ in range(math.ceil(math.log2(width))):
        middle = (low + high) // 2
        beyond = table[row + middle] > uniform
        low, high = torch.where(beyond, low, middle + 1), torch.where(beyond, middle, high)
    return torch.minimum(low, high)
