"""Rollout values: known answers, common random numbers, independence of the batch size."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import DIED, DISCHARGED, Constraint, Drug, Feature, PatientState, Spec, Step
from posology.evaluation.true_value import mean_interval, rollout_value, value_difference
from torch import Tensor

SPEC = Spec((Feature("urge", "1", -9, 9, (-1, 1)),), (Drug("drug", "mg/h", 1, (0, 1), (0.5,)),))


@dataclass(frozen=True)
class Coin:
    """Three decisions; each time the patient dies if a normal falls under the bar, which the drug lowers."""

    horizon: int = 3
    spec: Spec = SPEC
    constraints: tuple[Constraint, ...] = ()
    observation_dim: int = 1
    noise_dim: int = 1
    admit_noise_dim: int = 1
    bootstrap_at_horizon: bool = False

    @property
    def patient(self) -> None:
        return None

    def admit(self, noise: Tensor) -> PatientState:
        rows = len(noise)
        flat = torch.zeros(rows)
        return PatientState(
            vitals=noise,
            seen=noise > -99,
            age=0 * noise,
            memory=torch.zeros(rows, 0),
            belief=torch.zeros(rows, 0),
            context=torch.zeros(rows, 0),
            hours=flat,
            last_dose=0 * noise,
            total_dose=0 * noise,
            outcome=torch.zeros(rows, dtype=torch.int64),
        )

    def observe(self, state: PatientState) -> Tensor:
        return state.vitals

    def allowed(self, state: PatientState) -> None:
        return None

    def encode(self, state: PatientState, dose: Tensor) -> Tensor:
        return dose[:, 0].long()

    def decode(self, state: PatientState, action: Tensor) -> Tensor:
        return action[:, None].float()

    def interval(self, state: PatientState, action: Tensor) -> Tensor:
        return torch.full_like(state.hours, 4.0)

    def reward(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        last = (after.hours >= 4 * self.horizon) | (after.outcome != 0)
        return (last & (after.outcome != DIED)).float()

    def step(self, state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        dose = self.decode(state, action)
        died = noise[:, 0] < torch.where(dose[:, 0] > 0, -2.0, -1.0)
        outcome = torch.where(state.outcome != 0, state.outcome, torch.where(died, DIED, 0))
        after = state.replace(outcome=outcome, hours=state.hours + hours)
        cost = torch.stack((dose[:, 0], 0 * dose[:, 0]), 1)
        ended = after.hours >= 4 * self.horizon
        assert DISCHARGED not in outcome
        return Step(
            after, self.reward(state, dose, hours, after), outcome != 0, ended & (outcome == 0), cost, dose, hours
        )


@dataclass(frozen=True)
class Always:
    """One action for everyone."""

    action: int
    noise_dim: int = 1

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return torch.full((len(obs),), self.action)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return torch.where(action == self.action, 0.0, -torch.inf)


def survival(bar: float) -> float:
    return float((1 - torch.special.ndtr(torch.tensor(bar, dtype=torch.float64))) ** 3)


def test_known_survival() -> None:
    found = rollout_value(Coin(), Always(0), 4000, 5)
    assert found.low < survival(-1.0) < found.high
    assert found.high - found.low == pytest.approx(3.92 * np.sqrt(survival(-1) * (1 - survival(-1)) / 4000), rel=0.05)
    assert found.value == found.returns.mean() and len(found.returns) == 4000
    assert not found.broken.any() and set(found.decisions) == {1, 2, 3}


def test_counts_of_violations_come_along() -> None:
    found = rollout_value(Coin(), Always(1), 500, 5)
    assert (found.broken[:, 0] == found.decisions).all() and not found.broken[:, 1].any()


def test_discounting_starts_at_one() -> None:
    plain, discounted = (rollout_value(Coin(), Always(0), 500, 5, discount=g) for g in (1.0, 0.9))
    assert discounted.value == pytest.approx(0.9**2 * plain.value)


def test_the_batch_size_changes_nothing_and_the_seed_does() -> None:
    one, other = (rollout_value(Coin(), Always(0), 300, 5, batch=b) for b in (300, 77))
    assert (one.returns == other.returns).all() and (one.decisions == other.decisions).all()
    assert (one.returns != rollout_value(Coin(), Always(0), 300, 9000).returns).any()


def test_paired_differences_are_narrow() -> None:
    """The same patients with the same luck: whoever survives without the drug survives with it."""
    none, drug = (rollout_value(Coin(), Always(a), 2000, 5) for a in (0, 1))
    assert (drug.returns >= none.returns).all()
    gap, low, high = value_difference(drug, none)
    assert gap == pytest.approx(drug.value - none.value)
    assert low < survival(-2.0) - survival(-1.0) < high
    unpaired = np.hypot(drug.high - drug.low, none.high - none.low)
    assert high - low < unpaired
    with pytest.raises(ValueError, match="same stays"):
        value_difference(drug, rollout_value(Coin(), Always(0), 1999, 5))


def test_progress_and_bad_arguments() -> None:
    seen: list[float] = []
    rollout_value(Coin(), Always(0), 10, 0, batch=4, progress=lambda done, message: seen.append(done))
    assert seen == pytest.approx([0.4, 0.8, 1.0])
    with pytest.raises(ValueError, match="at least 1"):
        rollout_value(Coin(), Always(0), 0, 0)
    with pytest.raises(ValueError, match="level"):
        mean_interval(np.ones(3), 1.0)
    assert mean_interval(np.ones(1)) == (-np.inf, np.inf)
