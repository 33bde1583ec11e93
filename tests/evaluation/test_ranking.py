import pytest
from posology.evaluation.ranking import CLAIM, rankings
from posology.evaluation.report import EstimateReport, Interval, PolicyReport


def policy(claim, true, kind="other", estimate=None):
    estimates = {}
    if estimate is not None:
        estimates["wis"] = EstimateReport(
            value=estimate, low=None, high=None, effective_sample_size=9, mean_weight=1, verdict="not evaluable"
        )
    return PolicyReport(
        label="",
        kind=kind,
        estimates=estimates,
        simulator_value=claim and Interval(value=claim),
        true_value=true and Interval(value=true),
    )


def test_a_perfect_score_and_a_reversed_one():
    pairs = [(0.9, 0.8, 0.1), (0.8, 0.7, 0.2), (0.7, 0.5, 0.4)]
    claim, wis = rankings({str(i): policy(c, t, estimate=e) for i, (c, t, e) in enumerate(pairs)})
    assert (claim.score, wis.score) == (CLAIM, "wis")
    assert (claim.spearman, claim.kendall, claim.regret) == (pytest.approx(1), pytest.approx(1), 0)
    assert claim.mean_absolute_error == pytest.approx(0.4 / 3)
    assert (wis.spearman, wis.kendall) == (pytest.approx(-1), pytest.approx(-1))
    assert wis.regret == pytest.approx(0.3)


def test_blends_clinicians_and_the_unscored_do_not_count():
    pure = {"a": policy(0.9, 0.8), "b": policy(0.8, 0.7), "c": policy(0.7, 0.5)}
    more = {"d": policy(0.1, 0.99, "blend"), "e": policy(0.1, 0.99, "clinician"), "f": policy(None, 0.99)}
    told = {"false_alarms": None, "missed": None}  # these are relative to the clinicians
    assert tuple(row.model_copy(update=told) for row in rankings(pure | more)) == rankings(pure)
    assert rankings(pure)[0].policies == 3


def test_claims_to_beat_the_clinicians_err_both_ways():
    scored = [(0.9, 0.5), (0.6, 0.8), (0.4, 0.9), (0.3, 0.3)]
    everyone = {str(i): policy(c, t) for i, (c, t) in enumerate(scored)}
    (row,) = rankings({"clinician": policy(0.7, 0.55, "clinician"), **everyone})
    assert (row.false_alarms, row.missed) == (0.5, 0.5)
    assert row.regret == pytest.approx(0.4) and row.regret_at_3 == pytest.approx(0)


def test_ties_share_the_regret_and_leave_correlation_undefined():
    (tied,) = rankings({"a": policy(0.5, 0.9), "b": policy(0.5, 0.7), "c": policy(0.5, 0.2)})
    assert tied.spearman is None and tied.kendall is None
    assert tied.regret == pytest.approx(0.3)


def test_nothing_without_truth_or_with_two_policies():
    assert rankings({"a": policy(0.9, 0.8), "b": policy(0.8, 0.7)}) == ()
    assert rankings({str(i): policy(0.1 + 0.1 * i, None) for i in range(5)}) == ()
