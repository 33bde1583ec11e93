"""Where every stay fared alike an interval must not say that nothing else can happen."""

from dataclasses import replace

import numpy as np
import pytest
from posology.evaluation.alike import alike, difference_with_width, with_width
from posology.evaluation.off_policy import Estimate, weighted_importance_sampling
from posology.experiments.config import EvaluationConfig
from posology.experiments.judge import estimate_reports
from scipy import stats

LEVEL = 0.95


def survivors(stays: int, alive: float = 1.0, spread: float = 0.0) -> Estimate:
    """All stays end alike after two decisions; weights differ by `spread`."""
    reward = np.zeros((stays, 2))
    reward[:, 1] = alive
    ratio = spread * np.random.default_rng(0).normal(size=(stays, 2))
    return replace(weighted_importance_sampling(reward, ratio, np.ones((stays, 2), bool)), possible=(0.0, 1.0))


def test_the_bounds_are_those_of_the_binomial_distribution() -> None:
    for n in (5, 40, 1000):
        low, high = alike(1.0, n, (0.0, 1.0), LEVEL)
        assert high == 1 and low == pytest.approx(stats.binomtest(n, n).proportion_ci(LEVEL).low)
        low, high = alike(0.0, n, (0.0, 1.0), LEVEL)
        assert low == 0 and high == pytest.approx(stats.binomtest(0, n).proportion_ci(LEVEL).high)
    assert alike(-5.0, 10, (-5.0, 15.0), LEVEL)[1] == pytest.approx(-5 + 20 * alike(0.0, 10, (0.0, 1.0), LEVEL)[1])
    assert alike(0.5, 10, (0.0, 1.0), LEVEL) == (0.5, 0.5) and alike(1.0, 0, (0.0, 1.0), LEVEL) == (0.0, 1.0)


@pytest.mark.parametrize("alive", [0.0, 1.0])
def test_uneven_weights_count_as_fewer_stays(alive: float) -> None:
    even, uneven = survivors(200, alive), survivors(200, alive, 0.4)
    narrow, wide = (with_width(e, e.interval(draws=50), LEVEL) for e in (even, uneven))
    assert narrow == pytest.approx(alike(alive, 200, (0.0, 1.0), LEVEL))
    assert wide[1] - wide[0] > 1.2 * (narrow[1] - narrow[0])
    fifteen = replace(survivors(200, 15 * alive, 0.4), possible=(0.0, 15.0))  # sums of these are rounded
    scaled = with_width(fifteen, fifteen.interval(draws=50), LEVEL)
    assert scaled == pytest.approx((15 * wide[0], 15 * wide[1]))


def test_intervals_with_a_width_are_left_alone() -> None:
    found = survivors(50)
    assert with_width(found, (0.4, 0.6), LEVEL) == (0.4, 0.6)
    assert with_width(replace(found, possible=None), (1.0, 1.0), LEVEL) == (1.0, 1.0)
    assert difference_with_width(found, found, (-0.1, 0.1), LEVEL) == (-0.1, 0.1)


def test_a_report_does_not_rule_out_what_was_not_seen() -> None:
    clinicians, policy = survivors(100), survivors(100, spread=0.2)
    reports = estimate_reports({"w": policy}, {"w": clinicians}, EvaluationConfig(draws=50), None)["w"]
    assert reports.value == pytest.approx(1) and reports.high == pytest.approx(1) and 0.9 < reports.low < 0.97
    assert reports.difference.low == pytest.approx(reports.low - 1)
    assert 0.03 < reports.difference.high < 0.05, "the clinicians may be the worse ones"
