"""Violation rates: by decision, resampled by patient, honest where nothing was ever violated."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import PatientState
from posology.evaluation.safety import rates_of_counts, violation_counts, violation_rates
from torch import Tensor


@dataclass(frozen=True)
class Limit:
    """A constraint in name."""

    name: str
    limit: float = 0.2
    unit: str = "ug/kg/min"
    hard: bool = True

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        raise AssertionError("costs are logged already")

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        raise AssertionError("not asked")

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        raise AssertionError("not asked")


def logged(stays: int = 500) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < torch.randint(1, 7, (stays, 1), generator=random)
    cost = torch.rand(stays, 6, 2, generator=random)
    cost = torch.where(cost > torch.tensor([0.9, 2.0]), cost, 0.0)
    return torch.where(mask[:, :, None], cost, torch.nan), mask


def test_rates_by_decision() -> None:
    cost, mask = logged()
    found = violation_rates(cost, mask, (Limit("norepinephrine"), Limit("fluid", 500, "mL/h")))
    share = float((cost[mask][:, 0] > 0).float().mean())
    one = found["norepinephrine"]
    assert one.rate == pytest.approx(share) and one.low < share < one.high and one.high - one.low < 0.05
    assert (one.limit, one.unit, one.decisions) == (0.2, "ug/kg/min", int(mask.sum()))
    assert found["fluid"].rate == 0 == found["fluid"].low
    assert found["fluid"].high == pytest.approx(1 - 0.025 ** (1 / 500))  # exact bound, never a false zero
    counts = rates_of_counts(*violation_counts(cost, mask), (Limit("norepinephrine"), Limit("fluid", 500, "mL/h")))
    assert counts == found


def test_stays_of_one_patient_are_resampled_together() -> None:
    cost, mask = logged(100)
    thrice = np.repeat(np.arange(100), 3)
    limits = (Limit("a"), Limit("b"))
    once, together = (
        violation_rates(cost, mask, limits),
        violation_rates(cost[thrice], mask[thrice], limits, cluster=thrice),
    )
    assert together["a"].rate == pytest.approx(once["a"].rate)
    assert (together["a"].low, together["a"].high) == pytest.approx((once["a"].low, once["a"].high))
    assert together["b"].high == pytest.approx(once["b"].high)  # a hundred patients, not three hundred


def test_always_is_no_certainty_either() -> None:
    cost = torch.ones(40, 2, 1)
    found = violation_rates(cost, torch.ones(40, 2, dtype=torch.bool), (Limit("a"),))["a"]
    assert (found.rate, found.high) == (1, 1) and found.low == pytest.approx(0.025 ** (1 / 40))


def test_bad_costs_are_refused() -> None:
    mask = torch.ones(4, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="expected shape"):
        violation_rates(torch.zeros(4, 2, 1), mask, (Limit("a"),))
    with pytest.raises(ValueError, match=">= 0"):
        violation_rates(torch.full((4, 3, 1), -1.0), mask, (Limit("a"),))
    with pytest.raises(ValueError, match=">= 0"):
        violation_rates(torch.full((4, 3, 1), torch.nan), mask, (Limit("a"),))
    with pytest.raises(ValueError, match="one column of counts"):
        violation_rates(torch.zeros(4, 3, 1), mask, (Limit("a"), Limit("b")))
