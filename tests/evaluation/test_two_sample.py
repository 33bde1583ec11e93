import numpy as np
import pytest
from posology.evaluation.two_sample import _area, classifier_auc, nearest_distance


def cohort(rows, seed, *, shift=0.0, correlation=0.6, spread=1.0):
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((rows, 4))
    base[:, 1] = correlation * base[:, 0] + np.sqrt(1 - correlation**2) * base[:, 1]
    base[:, 2] = spread * base[:, 2] + shift
    return base


def test_the_same_distribution_cannot_be_told_apart_and_the_interval_holds_a_half():
    """Over 8 pairs of samples, no more intervals miss .5 than chance allows."""
    found = [classifier_auc(cohort(150, 2 * k), cohort(150, 2 * k + 1), seed=k) for k in range(8)]
    assert sum(not area.low <= 0.5 <= area.high for area in found) <= 2
    assert abs(np.mean([area.value for area in found]) - 0.5) < 0.035


@pytest.mark.parametrize("fault", [{"shift": 0.5}, {"correlation": 0.0}, {"spread": 1.5}])
def test_a_wrong_mean_spread_or_dependence_is_found(fault):
    area = classifier_auc(cohort(600, 0), cohort(600, 1, **fault))
    assert area.low > 0.5


def test_the_area_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(0, 5, 40).astype(float)
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    assert _area(a, b)[0] == pytest.approx(pairs)
    areas = [_area(rng.standard_normal(30) + 1, rng.standard_normal(40)) for _ in range(400)]
    assert np.var([x for x, _ in areas]) == pytest.approx(np.mean([v for _, v in areas]), rel=0.25)


def test_distance_to_the_nearest():
    found = nearest_distance(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[3.0, 4.0], [1.0, 1.0]]))
    assert found.tolist() == pytest.approx([1.0, 0.0])


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="10 rows of either kind, got 9"):
        classifier_auc(np.zeros((9, 2)), np.zeros((50, 2)))
