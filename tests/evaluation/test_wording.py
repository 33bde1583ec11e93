import pytest
from posology.evaluation.limits import limits
from posology.evaluation.report import EstimateReport, Interval
from posology.evaluation.wording import boldest, lesson


def told(report):
    found = lesson(report)
    return " ".join((found.headline, *found.paragraphs)).replace("\u202f", " ")


def change(report, name, **fields):
    policies = {**report.policies, name: report.policies[name].model_copy(update=fields)}
    return report.model_copy(update={"policies": policies})


def estimate(verdict, **fields):
    known = {"value": 0.83, "low": 0.8, "high": 0.86, "effective_sample_size": 200.0, "mean_weight": 1.0}
    return {"weighted_importance_sampling": EstimateReport(**{**known, **fields}, verdict=verdict)}


@pytest.fixture
def known(examples):
    return examples.known_truth()


@pytest.fixture
def records(examples):
    return examples.records()


def test_claim_and_truth_stand_in_the_headline(known):
    headline = lesson(known).headline.replace("\u202f", " ")
    for number in ("95.3 %", "61.2 %", "92.1 %", "87.6 %", "81.2 %"):
        assert number in headline


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.064, 0.057, 0.071), "6.4 points above the clinicians"),
        ((-0.064, -0.071, -0.057), "6.4 points below the clinicians"),
        ((0.064, -0.001, 0.129), "not distinguishable from the clinicians"),
    ],
)
def test_above_and_below_only_where_the_interval_says_so(known, difference, words):
    value, low, high = difference
    text = told(change(known, "ppo", true_difference=Interval(value=value, low=low, high=high)))
    assert words in text


def test_without_a_paired_difference_overlapping_intervals_decide(known):
    near = change(known, "ppo", true_difference=None, true_value=Interval(value=0.815, low=0.8, high=0.83))
    assert "not distinguishable from the clinicians’ 81.2 %" in told(near)
    far = change(known, "ppo", true_difference=None)
    assert "above the clinicians’ 81.2 %" in told(far)


def test_an_honest_claim_is_called_so(known):
    honest = change(known, "ppo", simulator_value=Interval(value=0.877, low=0.869, high=0.885))
    assert "Claim and truth agree within their intervals." in told(honest)
    modest = change(known, "ppo", simulator_value=Interval(value=0.8, low=0.79, high=0.81))
    assert "7.6 points too low" in told(modest)


def test_records_that_carry_nothing_say_so_and_quote_no_estimate(records):
    text = told(records)
    assert "cannot tell" in text and "not evaluable" in text
    assert "nothing here confirms it" in text


def test_the_boldest_supported_policy_is_named(records):
    both = change(change(records, "blend_10", estimates=estimate("supported")), "blend_30", estimates=estimate("weak"))
    assert boldest(both).share == 0.1
    assert "can carry a 10 % blend" in told(both)
    pure = change(both, "ppo", estimates=estimate("supported"))
    assert boldest(pure).label == records.policies["ppo"].label


def test_a_weak_estimate_never_reads_as_support(records):
    weak = change(records, "blend_10", estimates=estimate("weak"))
    assert "weak estimates only" in told(weak)


def test_a_difference_that_spans_zero_is_said_to(records):
    gap = Interval(value=0.02, low=-0.01, high=0.05)
    assert "spans zero" in told(change(records, "blend_10", estimates=estimate("supported", difference=gap)))
    gap = Interval(value=0.02, low=0.01, high=0.03)
    assert "2.0 points above" in told(change(records, "blend_10", estimates=estimate("supported", difference=gap)))


def test_limits_follow_the_report(known, records):
    of_known, of_records = (dict(limits(r)) for r in (known, records))
    assert "Not patients" in of_known and "Not patients" not in of_records
    assert "34.1 points" in of_known["The simulator is a model"]
    assert "18 patients" in of_records["One source of records"]
    own = known.model_copy(update={"limits": ("A limit of this run.",)})
    assert limits(own)[-1] == ("This run", "A limit of this run.")
