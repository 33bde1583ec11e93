"""How strongly what is measured moves a decision: exact where the clinician is a formula, and given all else known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Decisions, Feature, Spec
from posology.experiments.known_causes import known_causes
from torch import Tensor

STAYS = 4000


@dataclass(frozen=True)
class Logistic:
    """The second of two actions with log odds `slopes` times the first columns."""

    slopes: tuple[float, ...]
    noise_dim: int = 2

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        p = (obs[:, : len(self.slopes)] @ torch.tensor(self.slopes)).sigmoid()
        return torch.stack((1 - p, p), 1)


def spec(features: int) -> Spec:
    names = [f"x{i}" for i in range(features)]
    return Spec(tuple(Feature(name, "1", -9, 9, (-1, 1), label=name.upper()) for name in names), (), ())


def stays(columns: np.ndarray) -> Decisions:
    """One decision of each row (N, D), every feature fresh."""
    values = torch.as_tensor(columns).float()
    obs = torch.cat((values, torch.zeros_like(values), torch.ones_like(values)), 1)
    size = len(values)
    return Decisions(
        obs=obs[:, None].expand(size, 2, obs.shape[1]).clone(),
        action=torch.as_tensor(np.random.default_rng(9).integers(0, 2, (size, 1))),
        allowed=None,
        reward=torch.zeros(size, 1),
        hours=torch.ones(size, 1),
        mask=torch.ones(size, 1, dtype=torch.bool),
        terminated=torch.ones(size, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(size),
        site=torch.zeros(size, dtype=torch.int64),
        context=torch.zeros(size, 0),
    )


def test_factors_are_those_of_the_formula_and_nothing_comes_of_what_it_does_not_read() -> None:
    normal = np.random.default_rng(0).normal(size=(STAYS, 3))
    found = known_causes(stays(normal), Logistic((0.0, 0.8, 0.2)), spec(3))
    assert [cause.name for cause in found] == ["x1", "x2", "x0"] and found[0].label == "X1"
    assert found[2].factor == pytest.approx(1, abs=1e-3)
    # x2 alone unknown: log odds 0.8 x1 + 0.2 x2 against nearly 0.8 x1
    assert found[1].factor == pytest.approx(np.exp(0.2 * 1.96), rel=0.06)
    assert found[0].factor == pytest.approx(np.exp(0.8 * 1.96), rel=0.15)


def test_what_the_rest_of_the_record_tells_is_not_unknown() -> None:
    """Two readings of one thing: without either, the other still tells it."""
    once = np.random.default_rng(1).normal(size=(STAYS, 1))
    twice = np.hstack((once, once + 0.05 * np.random.default_rng(2).normal(size=once.shape)))
    both = known_causes(stays(twice), Logistic((0.8, 0.0)), spec(2))
    alone = known_causes(stays(once), Logistic((0.8,)), spec(1))
    assert both[0].factor < 1.15 < 3 < alone[0].factor


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 9 columns"):
        known_causes(stays(np.zeros((5, 2))), Logistic((1.0,)), spec(3))
