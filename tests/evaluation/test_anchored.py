"""What a simulator says of a gain, tied to what was observed."""

import numpy as np
import pytest
import torch
from posology.contracts import Decisions
from posology.evaluation.anchored import anchored, observed_returns
from posology.evaluation.true_value import Value


def _value(returns: np.ndarray) -> Value:
    return Value(float(returns.mean()), 0.0, 1.0, returns, np.zeros((len(returns), 0)), np.ones(len(returns)))


def test_an_error_about_everybody_cancels() -> None:
    rng = np.random.default_rng(0)
    observed, base = rng.normal(0.8, 0.1, 500), rng.normal(0.9, 0.1, 300)
    gain = rng.normal(0.05, 0.02, 300)
    found, low, high = anchored(_value(base + gain), _value(base), observed)
    shifted = anchored(_value(base + gain + 7), _value(base + 7), observed)
    assert found == pytest.approx(observed.mean() + gain.mean()) and low < found < high
    assert shifted == pytest.approx((found, low, high))


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        base = rng.normal(0.9, 0.3, 80)
        found = anchored(_value(base + rng.normal(0.1, 0.2, 80)), _value(base), rng.normal(0.5, 0.4, 60), level=0.9)
        inside += found[1] <= 0.6 <= found[2]
    assert 0.85 <= inside / 400 <= 0.95


def test_the_clinician_is_worth_what_was_observed() -> None:
    base = _value(np.array([0.2, 0.9, 1.0]))
    assert anchored(base, base, np.array([0.0, 1.0, 1.0, 1.0]))[0] == 0.75


def test_returns_are_discounted_and_stop_with_the_stay() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False], [False, False, False]])
    rows = torch.arange(4)
    stays = Decisions(
        obs=torch.zeros(4, 4, 1), action=torch.zeros(4, 3, dtype=torch.int64), allowed=None, reward=torch.ones(4, 3),
        hours=torch.ones(4, 3), mask=mask, terminated=rows > 0, log_behavior=None, subject=rows, site=rows,
        context=torch.zeros(4, 0),
    )  # fmt: skip
    assert observed_returns(stays, 0.5).tolist() == [1.75, 1.0, 1.5, 0.0]


def test_different_patients_or_nothing_observed_is_refused() -> None:
    one, other = _value(np.ones(3)), _value(np.ones(4))
    with pytest.raises(ValueError, match="same patients, got 3 and 4"):
        anchored(one, other, np.ones(5))
    with pytest.raises(ValueError, match="at least two observed stays"):
        anchored(one, one, np.ones(1))
