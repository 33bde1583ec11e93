"""The environment core: a patient with dose levels as actions, a reward, constraints and a horizon. Nothing impure."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import IN_CARE, Constraint, PatientModel, PatientState, Spec, Step
from ..trajectories.levels import action_of_dose, dose_of_action
from .constraints import CLOCK
from .observation import Layout
from .rewards import Reward, SurvivalReward


@dataclass(frozen=True)
class DoseTreatment:
    """Every `interval_hours` one of A dose-level combinations is given, for at most `horizon` decisions.

    Death and discharge terminate, only the horizon truncates. Constraints are reported as costs; with `enforce`
    they also mask (`allowed`) and cap what is executed. ValueError where the patient knows only another step, or a
    drug has no levels.
    """

    patient: PatientModel
    constraints: tuple[Constraint, ...] = ()
    reward_rule: Reward = field(default_factory=SurvivalReward)
    horizon: int = 18  # decisions
    interval_hours: float = 4.0
    enforce: bool = False
    bootstrap_at_horizon: bool = False
    _doses: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fixed = self.patient.fixed_hours
        if fixed is not None and fixed != self.interval_hours:
            raise ValueError(f"the patient steps {fixed} h only, got interval_hours={self.interval_hours}: use {fixed}")
        if self.horizon < 1 or self.interval_hours <= 0:
            raise ValueError(f"expected a positive horizon and interval, got {self.horizon} and {self.interval_hours}")
        bare = [drug.name for drug in self.spec.drugs if not drug.levels]
        if bare:
            raise ValueError(f"dose levels are the actions, but {', '.join(bare)} has none: give the drug levels")

    @property
    def spec(self) -> Spec:
        """What the patient is described by."""
        return self.patient.spec

    @property
    def noise_dim(self) -> int:
        """Noise columns of a step."""
        return self.patient.noise_dim

    @property
    def admit_noise_dim(self) -> int:
        """Noise columns of an admission."""
        return self.patient.admit_noise_dim

    @property
    def horizon_hours(self) -> float:
        """Hours until the horizon."""
        return self.horizon * self.interval_hours

    @functools.cached_property
    def layout(self) -> Layout:
        """The meaning of the observation's columns."""
        return Layout(self.spec, self.horizon_hours)

    @property
    def observation_dim(self) -> int:
        """O."""
        return self.layout.size

    def admit(self, noise: Tensor) -> PatientState:
        """New patients from standard normals (B, admit_noise_dim)."""
        return self.patient.admit(None, noise)

    def observe(self, state: PatientState) -> Tensor:
        """Observation (B, O), a fresh tensor."""
        return self.layout.observe(state)

    def allowed(self, state: PatientState) -> Tensor | None:
        """Permitted actions (B, A) bool where constraints are enforced, else None."""
        hard = [c for c in self.constraints if c.hard]
        if not (self.enforce and hard):
            return None
        columns = []
        for dose in self._table(state.vitals.device):
            each, hours = dose.expand(len(state), -1), torch.full_like(state.hours, self.interval_hours)
            columns.append(torch.stack([c.permits(state, each, hours) for c in hard]).all(0))
        return torch.stack(columns, 1)

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        """Action (B,) int64 whose levels the mean rates (B, U) fall into."""
        return action_of_dose(self.spec, dose)

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        """Fixed dose (B, U) of each action (B,) int64 in 0..A-1."""
        return self._table(action.device)[action]

    def interval(self, state: PatientState, action: Tensor) -> Tensor:
        """Hours (B,) until the next decision."""
        return torch.full_like(state.hours, self.interval_hours)

    def reward(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Reward (B,) of an interval; 0 for a stay that had ended before it.

        The horizon ends a stay, unless its value is bootstrapped there: being alive would be paid twice.
        """
        over = after.outcome != IN_CARE
        if not self.bootstrap_at_horizon:
            over = over | self.at_horizon(after)
        return self.reward_rule(before, dose, hours, after, over & (before.outcome == IN_CARE))

    def at_horizon(self, state: PatientState) -> Tensor:
        """Whether no decision is left (B,) bool."""
        return state.hours > self.horizon_hours - CLOCK

    def step(self, state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        """One decision (B,) int64, carried out for `hours` (B,) under noise (B, noise_dim)."""
        dose = self.decode(state, action)
        if self.enforce:
            for constraint in self.constraints:
                dose = constraint.project(state, dose, hours) if constraint.hard else dose
        after = self.patient.step(state, dose, hours, noise)
        terminated = after.outcome != IN_CARE
        costs = [c.cost(state, dose, hours, after) for c in self.constraints]
        return Step(
            state=after,
            reward=self.reward(state, dose, hours, after),
            terminated=terminated,
            truncated=~terminated & self.at_horizon(after),
            costs=torch.stack(costs, 1) if costs else dose.new_zeros(len(dose), 0),
            dose=dose,
            hours=hours,
        )

    def _table(self, device: torch.device) -> Tensor:
        """The fixed dose (A, U) of every action, kept on each device that asked."""
        if device not in self._doses:
            actions = torch.arange(self.spec.actions)
            self._doses[device] = dose_of_action(self.spec, actions).to(device)
        return self._doses[device]
