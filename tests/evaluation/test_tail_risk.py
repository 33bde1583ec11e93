"""The worst stays: exact where returns are known, honest intervals, and what the page shows of them."""

import numpy as np
import pytest
from posology.evaluation.page import page
from posology.evaluation.page_spread import tail_figure
from posology.evaluation.report import Interval
from posology.evaluation.tail_risk import worst_mean


def test_the_mean_of_the_worst_is_exact() -> None:
    returns = np.random.default_rng(0).permutation(np.arange(100.0))
    value, low, high = worst_mean(returns)
    assert value == pytest.approx(4.5) and low < value < high
    assert worst_mean(returns, 0.05)[0] == pytest.approx(2.0)
    assert worst_mean(returns, 0.999)[0] == pytest.approx(np.mean(returns), rel=0.01)
    with pytest.raises(ValueError, match="share"):
        worst_mean(returns, 0.0)


def test_the_interval_covers_what_is_known() -> None:
    """Uniform returns: the worst tenth is .05 on average."""
    random, covered = np.random.default_rng(1), 0
    for _ in range(60):
        _, low, high = worst_mean(random.random(400))
        covered += low <= 0.05 <= high
    assert covered >= 50


def test_the_page_shows_the_worst_tenth_where_it_tells_anything(examples) -> None:
    report = examples.known_truth()
    assert tail_figure(report) is None

    def told(value: float):
        return {
            name: p.model_copy(update={"worst_tenth": Interval(value=value, low=value, high=min(value + 0.05, 1))})
            for name, p in report.policies.items()
        }

    assert tail_figure(report.model_copy(update={"policies": told(0.0)})) is None, "death is the worst of survival"
    found = report.model_copy(update={"policies": told(0.21)})
    figure = tail_figure(found)
    assert len(figure.rows) == len(report.policies) and figure.reference is not None
    assert "worst tenth of stays" in page(found) and "worst tenth of stays" not in page(report)
