"""The environment core: a patient with doses as actions, a reward, constraints and a horizon. Nothing impure."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import IN_CARE, BeliefModel, Constraint, PatientModel, PatientState, Spec, Step
from .actions import Action, ActionRule, action_rule
from .constraints import CLOCK
from .observation import Layout
from .rewards import Reward, SurvivalReward
from .visits import Visits


@dataclass(frozen=True)
class DoseTreatment:
    """Every `interval_hours` a dose of each drug is given, for at most `horizon` decisions.

    An action is one of A dose-level combinations, with `action="continuous"` a point (U,) of -1..1, or what another
    rule makes of it. With `visits`, decisions are irregular: that rule says when the next one is due, `interval_hours`
    is the shortest interval, and the last one ends at the horizon, which is `horizon` times the shortest. Death and
    discharge terminate, only the horizon truncates. Constraints are reported as costs; with `enforce` they also mask
    discrete actions (`allowed`) and cap what is executed. ValueError where the patient knows only another step, or
    levels are asked of a drug that has none.
    """

    patient: PatientModel
    constraints: tuple[Constraint, ...] = ()
    reward_rule: Reward = field(default_factory=SurvivalReward)
    horizon: int = 18  # decisions
    interval_hours: float = 4.0
    enforce: bool = False
    bootstrap_at_horizon: bool = False
    action: Action | ActionRule = "levels"
    visits: Visits | None = None

    def __post_init__(self) -> None:
        fixed = self.patient.fixed_hours
        if fixed is not None and not math.isclose(fixed, self.interval_hours, rel_tol=1e-6):  # it may be a float32
            raise ValueError(f"the patient steps {fixed} h only, got interval_hours={self.interval_hours}: use {fixed}")
        if fixed is not None and self.visits is not None:
            raise ValueError(f"the patient steps {fixed} h only, so its visits cannot be irregular: leave visits out")
        if self.horizon < 1 or self.interval_hours <= 0:
            raise ValueError(f"expected a positive horizon and interval, got {self.horizon} and {self.interval_hours}")
        action_rule(self.spec, self.action)  # refuses what cannot be an action

    @property
    def spec(self) -> Spec:
        """What the patient is described by."""
        return self.patient.spec

    @functools.cached_property
    def rule(self) -> ActionRule:
        """What an action means."""
        return action_rule(self.spec, self.action)

    @property
    def actions(self) -> int | None:
        """A, or None where actions are continuous."""
        return self.rule.count

    @property
    def believer(self) -> BeliefModel | None:
        """None: the states carry no belief."""
        return None

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
        """Permitted actions (B, A) bool where constraints are enforced on discrete actions, else None."""
        hard = [c for c in self.constraints if c.hard]
        if not (self.enforce and hard) or self.rule.count is None:
            return None
        columns = []
        for action in range(self.rule.count):
            each = self.rule.decode(state, torch.full_like(state.outcome, action))
            hours = self._until_next(state, each)
            columns.append(torch.stack([c.permits(state, each, hours) for c in hard]).all(0))
        return torch.stack(columns, 1)

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        """Action, (B,) int64 or (B, U), of the mean rates (B, U)."""
        return self.rule.encode(state, dose)

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        """Dose (B, U) of each action, (B,) int64 or (B, U)."""
        return self.rule.decode(state, action)

    def interval(self, state: PatientState, action: Tensor) -> Tensor:
        """Hours (B,) until the next decision."""
        return self._until_next(state, self.decode(state, action))

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
        """One decision, (B,) int64 or (B, U), carried out for `hours` (B,) under noise (B, noise_dim)."""
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

    def _until_next(self, state: PatientState, dose: Tensor) -> Tensor:
        """Hours (B,) from the visit at which dose (B, U) is decided on; whoever is beyond the horizon just goes on."""
        if self.visits is None:
            return torch.full_like(state.hours, self.interval_hours)
        left = self.horizon_hours - state.hours
        hours = self.visits(state, dose).clamp_min(self.interval_hours)
        return torch.where(left > CLOCK, torch.minimum(hours, left), self.interval_hours)
