"""The plain-English summary says what the numbers allow, and no more."""

import pytest
from posology.evaluation.report import EstimateReport, Interval, SubgroupReport
from posology.evaluation.summary import summary
from posology.evaluation.wording import evaluable


def told(report):
    return {question: text.replace("\u202f", " ") for question, text in summary(report)}


@pytest.fixture(params=["known_truth", "records"])
def report(request, examples):
    return getattr(examples, request.param)()


def change(report, name, **fields):
    policies = {**report.policies, name: report.policies[name].model_copy(update=fields)}
    return report.model_copy(update={"policies": policies})


def supported(low, high):
    gap = Interval(value=(low + high) / 2, low=low, high=high)
    numbers = {"effective_sample_size": 300.0, "mean_weight": 1.0, "difference": gap}
    return {
        "weighted_importance_sampling": EstimateReport(value=0.83, low=0.8, high=0.86, verdict="supported", **numbers)
    }


def test_it_always_says_what_must_not_be_concluded(report):
    assert "treated as a policy here" in told(report)["What must not be concluded?"]
    assert "recommend" not in str(told(report)).lower()


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.01, 0.05, "above"), (-0.05, -0.01, "below"), (-0.01, 0.03, "no difference")]
)
def test_a_difference_is_named_only_where_its_interval_leaves_zero_out(examples, low, high, words):
    text = told(change(examples.known_truth(), "ppo", estimates=supported(low, high)))["What can the records say?"]
    assert words in text
    for other in {"above", "below", "no difference"} - {words}:
        assert other not in text
    assert ("no proof" in text) == (low > 0)


def test_nothing_that_is_not_evaluable_is_quoted(examples):
    report = examples.records()
    assert not any(evaluable(e) for p in report.policies.values() if p.kind == "blend" for e in p.estimates.values())
    text = told(report)["What can the records say?"]
    assert "for none" in text and "above" not in text and "%" not in text


def test_the_simulator_is_told_by_its_errors_or_not_at_all(examples):
    known = told(examples.known_truth())["Is the simulator right about its own policies?"]
    assert "too much for 8 of 8 policies" in known and "34.1 points at worst" in known
    assert "nothing confirms it" in told(examples.records())["Is the simulator right about its own policies?"]


def test_limits_are_more_or_less_often_only_where_intervals_part(examples):
    text = told(examples.known_truth())["Do the policies keep to the dose limits?"]
    assert text.count("less often") == 2
    same = examples.known_truth().policies["clinician"].constraints
    text = told(change(examples.known_truth(), "ppo", constraints=same))["Do the policies keep to the dose limits?"]
    assert text.count("no clear difference") == 2 and "less often" not in text


@pytest.mark.parametrize(("other", "words"), [(0.55, "differs clearly by Sex"), (0.78, "more than chance allows")])
def test_groups_differ_only_where_their_intervals_part(examples, other, words):
    def group(name, value):
        observed = Interval(value=value, low=value - 0.05, high=value + 0.05)
        return SubgroupReport(variable="Sex", group=name, patients=50, stays=50, observed=observed)

    report = examples.records().model_copy(update={"subgroups": (group("a", 0.8), group("b", other))})
    assert words in told(report)["Do some patients fare differently?"]


def test_a_bare_report_leaves_questions_out(examples):
    report = examples.records()
    quiet = report.simulator.model_copy(update={"comparisons": ()})
    bare = report.model_copy(update={"policies": {}, "simulator": quiet, "subgroups": (), "external": None})
    assert set(told(bare)) == {"What was studied?", "What must not be concluded?"}
