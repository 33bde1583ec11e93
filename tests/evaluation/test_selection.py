"""Selection metrics by hand and by brute force."""

import itertools

import numpy as np
import pytest
from posology.evaluation.selection import errors, rank_correlations, regret, risks, two_stage

RNG = np.random.default_rng


def test_regret_by_hand() -> None:
    truth = [0.9, 0.5, 0.7, 0.1]
    score = [0.1, 0.8, 0.6, 0.9]
    assert [regret(score, truth, k) for k in range(1, 5)] == pytest.approx([0.8, 0.4, 0.2, 0.0])
    assert regret(truth, truth) == 0


@pytest.mark.parametrize("seed", range(5))
def test_ties_are_broken_in_every_way(seed: int) -> None:
    rng = RNG(seed)
    truth, score = rng.normal(size=6), rng.integers(0, 3, 6).astype(float)
    for k in range(1, 7):
        edge = np.sort(score)[-k]
        sure, tied = np.flatnonzero(score > edge), np.flatnonzero(score == edge)
        picks = [truth[[*sure, *more]].max() for more in itertools.combinations(tied, k - len(sure))]
        assert regret(score, truth, k) == pytest.approx(truth.max() - np.mean(picks))
    assert regret(score, truth, 6) == pytest.approx(0)


def test_rank_correlations() -> None:
    assert rank_correlations([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx((1, 1))
    assert rank_correlations([1, 2, 3], [3, 2, 1]) == pytest.approx((-1, -1))
    rho, tau = rank_correlations([1, 2, 3, 4], [1, 3, 2, 4])
    assert (rho, tau) == pytest.approx((0.8, 2 / 3))
    assert rank_correlations([1, 1, 1], [1, 2, 3]) == (None, None)


def test_errors_of_claims() -> None:
    found = errors([True, False, True, False, True], [0.6, 0.7, 0.4, 0.3, 0.8], reference=0.5)
    assert (found.false_alarms, found.missed, found.policies) == (0.5, pytest.approx(1 / 3), 5)
    assert errors([True], [0.9], 0.5).false_alarms is None and errors([True], [0.1], 0.5).missed is None


def test_two_stages() -> None:
    first, second = [0.1, 0.9, np.nan, 0.8, 0.7], [9.0, 1.0, 8.0, 3.0, np.nan]
    assert two_stage(first, second, 3) == [3, 1, 4]
    assert two_stage(first, second, 5) == [0, 2, 3, 1, 4]
    assert two_stage(first, second, 1) == [1]
    with pytest.raises(ValueError, match=r"keep in 1\.\.5"):
        two_stage(first, second, 6)


def test_two_stages_beat_a_score_that_is_biased_for_far_policies() -> None:
    """The ranking score is precise but flatters policies that the pruning score knows to be bad."""
    rng, gain = RNG(0), []
    for _ in range(300):
        truth = rng.normal(size=10)
        cheap = truth + 0.5 * rng.normal(size=10)
        precise = truth + 3.0 * (truth < -0.5) + 0.05 * rng.normal(size=10)
        one = truth.max() - truth[int(np.argmax(precise))]
        both = truth.max() - truth[two_stage(cheap, precise, 4)[0]]
        gain.append(one - both)
    assert np.mean(gain) > 0.3


def test_risks() -> None:
    replicates = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 2.0], [np.nan, 0.5]])
    first, second = risks(replicates, np.array([1.5, 1.5, 1.5, 1.0]))
    assert (first.best, second.best) == (pytest.approx(1.5 / 4), pytest.approx(2.5 / 4))
    assert (first.no_better, second.no_better) == (0.5, 0.5)
    assert first.regret == pytest.approx((1 + 0 + 0 + 0) / 4) and second.regret == pytest.approx(2 / 4)


def test_the_best_looking_of_many_is_claimed_better_as_seldom_as_one() -> None:
    """Candidates that gain nothing: at a stated risk of 5 % one in twenty choices is wrong, however many there are."""
    rng = RNG(1)
    for size in (1, 8):
        wrong = naive = 0
        for _ in range(400):
            centre = rng.normal(size=size)
            found = risks(centre + rng.normal(size=(500, size)), np.zeros(500))
            wrong += min(one.chosen for one in found) <= 0.05
            naive += min(one.no_better for one in found) <= 0.05
        assert wrong / 400 == pytest.approx(0.05, abs=0.03)
        assert size == 1 or naive / 400 > 0.2


def test_odd_replicates_never_make_a_choice_look_safe() -> None:
    """The clinicians themselves, an estimate that is often undefined, and one that always is."""
    rng = RNG(2)
    base = rng.normal(size=1000)
    own, torn, none = base.copy(), base + 5 + rng.normal(size=1000), np.full(1000, np.nan)
    torn[::4] = np.nan
    first, second, third = risks(np.stack([own, torn, none], 1), base)
    assert first.chosen == first.no_better == 1 and third.chosen == third.no_better == 1
    assert second.no_better == pytest.approx(0.25, abs=0.01) and second.chosen >= 0.25
    good, bad = risks(np.stack([base + 5 + 0.1 * rng.normal(size=1000), base], 1), base)
    assert good.chosen == 0 and bad.chosen == 1
