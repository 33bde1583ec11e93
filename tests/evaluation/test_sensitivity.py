"""Bounds under unobserved confounding: by brute force, on a problem whose hidden cause is known, and how they tip."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from posology.evaluation.off_policy import weighted_importance_sampling
from posology.evaluation.off_policy.confounded_decision import Choice, basis_of, confounded_decision, expectile
from posology.evaluation.off_policy.sensitivity import Extreme, marginal_sensitivity
from scipy import optimize

RNG = np.random.default_rng
GAMMA = 4.0  # the true one of `hidden`


def hidden(repeats: int = 1) -> dict[str, np.ndarray]:
    """Two decisions, exactly: a hidden frailty drives the first action and the outcome, each path as often as likely.

    Frail patients get the drug with 2/3, others with 1/3: odds ratio 4. The record shows 1/2. The drug adds .2 to a
    survival of .3 (frail) or .7; the second action, 1/2, adds .1. Survival is in tenths, so that paths repeat exactly.
    """
    rows = []
    for frail, first, second, alive in itertools.product((0, 1), repeat=4):
        drug = (2 / 3 if frail else 1 / 3) if first else (1 / 3 if frail else 2 / 3)
        survival = 0.7 - 0.4 * frail + 0.2 * first + 0.1 * second
        chance = 0.5 * drug * 0.5 * (survival if alive else 1 - survival)
        rows += [(first, second, alive)] * (repeats * round(chance * 120))
    first, second, alive = np.array(rows, float).T
    return {"first": first, "second": second, "alive": alive}


def arrays(rows: dict[str, np.ndarray], always: float = 0.9, later: float = 0.5) -> dict[str, np.ndarray]:
    """The target gives the drug with probability `always`, the second action with `later`."""
    first, second = rows["first"], rows["second"]
    ratio = np.stack((np.where(first, always, 1 - always) / 0.5, np.where(second, later, 1 - later) / 0.5), 1)
    return {
        "reward": np.stack((np.zeros(len(first)), rows["alive"]), 1),
        "log_ratio": np.log(ratio),
        "mask": np.ones(ratio.shape, bool),
    }


def truth(always: float = 0.9, later: float = 0.5) -> float:
    return 0.5 + 0.2 * always + 0.1 * later


def choice(rows: dict[str, np.ndarray], always: float = 0.9) -> Choice:
    stays = len(rows["first"])
    return Choice(
        decision=0,
        action=rows["first"],
        target=np.tile([1 - always, always], (stays, 1)),
        behavior=np.full((stays, 2), 0.5),
        basis=basis_of(np.zeros((stays, 1)), 2),
    )


def marginal(rows: dict[str, np.ndarray], **options: object):
    given = arrays(rows)
    return marginal_sensitivity(**given, log_behavior=np.full(given["mask"].shape, np.log(0.5)), **options)


def test_without_confounding_both_are_the_estimate() -> None:
    rows = hidden()
    found = marginal(rows, gammas=[1.0])
    plain = weighted_importance_sampling(**arrays(rows))
    assert found.lower[0].value == pytest.approx(plain.value) == found.upper[0].value
    single = confounded_decision(**arrays(rows), choice=choice(rows), gammas=[1.0])
    assert single.lower[0].value == pytest.approx(plain.value, abs=1e-6) == single.upper[0].value
    assert abs(plain.value - truth()) > 0.05  # confounded: the frail got the drug, and it looks worse than it is


@pytest.mark.parametrize("later", [0.5, 0.8])
def test_bounds_hold_the_truth_from_the_true_gamma_on(later: float) -> None:
    rows = hidden()
    # nominal 1/2 against 2/3 or 1/3: an odds ratio of 2; between hidden states: 4
    single = confounded_decision(**arrays(rows, later=later), choice=choice(rows), gammas=[1.0, GAMMA, 8.0])
    given = arrays(rows, later=later)
    both = marginal_sensitivity(**given, log_behavior=np.full(given["mask"].shape, np.log(0.5)), gammas=[1.0, 2.0, 8.0])
    for found in (single, both):
        held = [a.value <= truth(later=later) <= b.value for a, b in zip(found.lower, found.upper, strict=True)]
        assert held == [False, True, True]
        widths = [b.value - a.value for a, b in zip(found.lower, found.upper, strict=True)]
        assert widths[0] < 1e-6 < widths[1] < widths[2]


def test_the_single_decision_bound_is_the_worst_case_by_hand() -> None:
    """Survival p among those given a: their worst counterpart has p / (p + Gamma (1 - p))."""
    rows = hidden()
    found = confounded_decision(**arrays(rows), choice=choice(rows), gammas=[3.0])
    expected = 0.0
    for a, share in ((0, 0.1), (1, 0.9)):
        p = rows["alive"][rows["first"] == a].mean()
        expected += share * 0.5 * (p + p / (p + 3 * (1 - p)))
    assert found.lower[0].value == pytest.approx(expected, abs=1e-6)
    assert found.lower[0].verdict == "model-based"


SHARE = 0.25  # of decisions that a blend takes from the policy


def blended(rows: dict[str, np.ndarray], always: float = 0.9) -> dict[str, np.ndarray]:
    """A blend of the policy at the first decision into the clinicians, who follow what is hidden; later nothing new."""
    given = arrays(rows, always)
    own = np.log(1 - SHARE + SHARE * np.exp(given["log_ratio"][:, 0]))
    return given | {"log_ratio": np.stack((own, np.zeros(len(own))), 1)}


def test_what_a_blend_leaves_to_the_clinicians_is_not_in_doubt() -> None:
    """Only the policy's share is: the bounds are the policy's own, drawn together towards what was observed."""
    rows, gammas = hidden(), [1.0, GAMMA, 8.0]
    given, observed, log_b = blended(rows), hidden()["alive"].mean(), np.full((len(rows["first"]), 2), np.log(0.5))
    true = (1 - SHARE) * observed + SHARE * truth()
    of_policy = confounded_decision(**arrays(rows), choice=choice(rows), gammas=gammas)
    own = choice(rows, (1 - SHARE) * 0.5 + SHARE * 0.9)
    single = confounded_decision(**given, choice=replace(own, kept=1 - SHARE), gammas=gammas)
    for sides in ((single.lower, of_policy.lower), (single.upper, of_policy.upper)):
        for ours, theirs in zip(*sides, strict=True):
            assert ours.value == pytest.approx((1 - SHARE) * observed + SHARE * theirs.value, abs=1e-6)
    blind = marginal_sensitivity(**given, log_behavior=log_b, gammas=gammas)
    both = marginal_sensitivity(**given, log_behavior=log_b, gammas=gammas, kept=1 - SHARE)
    for found in (single, both):
        assert [a.value <= true <= b.value for a, b in zip(found.lower, found.upper, strict=True)] == [
            False,
            True,
            True,
        ]
    assert both.upper[1].value - both.lower[1].value < 0.5 * (blind.upper[1].value - blind.lower[1].value)
    unmoved = marginal_sensitivity(**given | {"log_ratio": np.zeros(log_b.shape)}, log_behavior=log_b, kept=1.0)
    assert unmoved.lower[-1].value == pytest.approx(observed) == pytest.approx(unmoved.upper[-1].value)
    with pytest.raises(ValueError, match="kept: expected a share"):
        marginal_sensitivity(**given, log_behavior=log_b, kept=1.5)


@pytest.mark.parametrize("seed", range(3))
def test_extreme_weights_of_a_blend_by_brute_force(seed: int) -> None:
    """Every true propensity that the model allows, at its ends: b' = b / (b + l (1 - b)) in the policy's part alone."""
    rng, gamma, kept = RNG(seed), 3.0, 0.6
    returns, b, ours = rng.normal(size=7), rng.uniform(0.1, 0.9, 7), rng.uniform(0, 1, 7)
    tried = []
    for corner in itertools.product((1 / gamma, gamma), repeat=7):
        true_b = b / (b + np.array(corner) * (1 - b))
        tried.append(np.average(returns, weights=kept + (1 - kept) * ours / true_b))
    found = marginal_sensitivity(
        returns[:, None],
        np.log(kept + (1 - kept) * ours / b)[:, None],
        np.log(b)[:, None],
        np.ones((7, 1), bool),
        gammas=[gamma],
        kept=kept,
    )
    assert found.lower[0].value == pytest.approx(min(tried)) and found.upper[0].value == pytest.approx(max(tried))


def test_chance_and_confounding_together_tip_an_advantage_earlier() -> None:
    rows = hidden(20)
    given = arrays(rows)
    seen = weighted_importance_sampling(reward=given["reward"], log_ratio=0 * given["log_ratio"], mask=given["mask"])
    patients = np.arange(len(given["mask"])) // 2
    own = replace(weighted_importance_sampling(**given), cluster=patients, unchecked=True)
    log_b = np.full(given["mask"].shape, np.log(0.5))
    found = marginal_sensitivity(**given, log_behavior=log_b, gammas=[1.0], reference=seen.value).beside(own)
    assert found.lower[0].interval(draws=200) == pytest.approx(own.interval(draws=200))
    assert found.lower[0].reasons == own.reasons == ("no critic checks the fitted behaviour policy",)
    reference = replace(seen, cluster=patients)
    tips = found.tipping_by_chance(reference, draws=200)
    assert found.tipping is not None and tips is not None and 1 < tips < found.tipping
    gap = found.bound(tips, -1.0).minus(reference).interval(draws=200)
    assert gap[0] <= 0 < gap[1] and gap[0] == pytest.approx(0, abs=2e-3)
    nothing = replace(found, bound=lambda gamma, sign: reference, lower=(reference,))
    assert nothing.tipping_by_chance(reference, draws=50) == 1.0


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_extreme_weights_by_brute_force(seed: int, sign: float) -> None:
    rng = RNG(seed)
    returns, weight, propensity = rng.normal(size=7), rng.exponential(size=7), rng.uniform(0.1, 0.9, 7)
    found = Extreme(returns, weight, propensity, 2.5, sign)
    least, most = found.extremes()
    tried = [
        np.average(returns, weights=np.where(corner, most, least)) for corner in itertools.product((0, 1), repeat=7)
    ]
    best = max(tried) if sign > 0 else min(tried)
    assert found.replicate(np.ones((1, 7)))[0] == pytest.approx(best)
    num, den = found.terms()
    assert num.sum() / den.sum() == pytest.approx(best)
    twice = np.array([2.0, 0, 1, 1, 0, 3, 1])
    copies = np.repeat(np.arange(7), twice.astype(int))
    assert found.replicate(twice[None])[0] == pytest.approx(found.rows(copies).replicate(np.ones((1, 8)))[0])


def test_the_tipping_point_is_where_the_bound_meets_the_reference() -> None:
    rows = hidden()
    estimated = weighted_importance_sampling(**arrays(rows)).value
    found = marginal(rows, reference=estimated - 0.1)
    assert found.tipping is not None and 1 < found.tipping < 3
    assert marginal(rows, gammas=[found.tipping]).lower[0].value == pytest.approx(estimated - 0.1, abs=1e-6)
    harm = marginal(rows, reference=estimated + 0.1)
    assert harm.tipping is not None
    assert marginal(rows, gammas=[harm.tipping]).upper[0].value == pytest.approx(estimated + 0.1, abs=1e-6)
    assert marginal(rows, reference=-1.0).tipping is None  # no survival is below 0
    assert marginal(rows, reference=estimated).tipping == 1.0


def test_intervals_reach_beyond_the_bounds_and_hold_the_truth_in_samples() -> None:
    everyone, held = hidden(), 0
    for seed in range(40):
        drawn = RNG(seed).integers(0, len(everyone["first"]), 300)
        rows = {name: values[drawn] for name, values in everyone.items()}
        found = marginal(rows, gammas=[2.0])
        (low, high), lower, upper = found.intervals(draws=200)[0], found.lower[0].value, found.upper[0].value
        assert low < lower < upper < high
        held += low <= truth() <= high
    assert held >= 38


def test_a_decision_that_the_target_never_makes_is_no_trouble_before_or_after() -> None:
    """Its ratio is 0: those stays tell nothing of the outcome, or everything of others, but never not-a-number."""
    rows = hidden()
    for later in (0.5, 0.0):
        with np.errstate(divide="ignore"):
            given = arrays(rows, 1.0, later)
        second = np.where(rows["second"] > 0, later, 1 - later)
        found = confounded_decision(**given, choice=choice(rows, 1.0), gammas=[1.0, 3.0])
        p = rows["alive"][(rows["first"] == 1) & (second > 0)].mean()
        assert found.lower[0].value == pytest.approx(p, abs=1e-6)
        assert found.lower[1].value == pytest.approx(0.5 * (p + p / (p + 3 * (1 - p))), abs=1e-6)


def test_expectiles() -> None:
    y = RNG(0).normal(size=50)
    weight = RNG(1).exponential(size=50)
    found = expectile(np.ones((50, 1)), y, weight, 3.0)[0]

    def loss(k: float) -> float:
        return float((weight * np.where(y > k, 1, 3) * (y - k) ** 2).sum())

    assert found == pytest.approx(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x, abs=1e-4)
    assert expectile(np.ones((50, 1)), y, weight, 1.0)[0] == pytest.approx(np.average(y, weights=weight), abs=1e-6)


def test_stays_that_ended_before_the_decision_count_as_they_are() -> None:
    """Three of six died at the first decision; the second decision of the others is in doubt."""
    mask = np.array([[1, 0]] * 3 + [[1, 1]] * 3, bool)
    reward = np.array([[-1.0, 9], [-1, 9], [-1, 9], [0, 1], [0, 0], [0, 1]])
    doubt = Choice(1, np.zeros(6), np.ones((6, 1)), np.full((6, 1), 0.5), basis_of(np.zeros((6, 1)), 1))
    found = confounded_decision(reward, np.zeros(mask.shape), mask, doubt, gammas=[1.0, 2.0])
    assert found.lower[0].value == pytest.approx(-0.5 + 0.5 * 2 / 3, abs=1e-6)
    worst = (2 / 3) / (2 / 3 + 2 / 3)  # of 2/3 at Gamma 2
    assert found.lower[1].value == pytest.approx(-0.5 + 0.5 * (0.5 * 2 / 3 + 0.5 * worst), abs=1e-6)


def test_bad_input_is_refused() -> None:
    rows = hidden()
    with pytest.raises(ValueError, match="gammas: expected numbers of at least 1"):
        marginal(rows, gammas=[0.5])
    with pytest.raises(ValueError, match=r"decision: expected 0\.\.1, got 2"):
        marginal(rows, decision=2)
    with pytest.raises(ValueError, match="behavior: expected shape"):
        confounded_decision(**arrays(rows), choice=choice({"first": rows["first"][:5]}))
