"""Small counts are hidden in page and JSON, and cannot be worked out from those that are shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posology.evaluation.page import page
from posology.evaluation.report import CheckResult, FlowStep, SubgroupReport
from posology.evaluation.small_cells import LEAST, flow, hidden, shown, subgroups, suppressed

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=6)


@given(COUNTS)
def test_no_small_cell_and_none_that_the_total_tells(counts):
    kept = [None if gone else count for count, gone in zip(counts, hidden(counts), strict=True)]
    assert all(count is None or count == 0 or count >= LEAST for count in kept)
    missing = sum(counts) - sum(count for count in kept if count is not None)
    lone = kept.count(None) == 1 and 0 < missing < LEAST
    assert not lone or all(count == 0 for count in kept if count is not None)  # then it is all there is


@given(COUNTS)
def test_nothing_is_hidden_without_need(counts):
    if all(count == 0 or count >= LEAST for count in counts):
        assert not any(hidden(counts))


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8).map(lambda x: sorted(x, reverse=True)))
def test_no_step_of_the_flow_tells_of_a_few_who_were_left_out(counts):
    kept = [step.stays for step in flow([FlowStep(step=str(i), stays=n) for i, n in enumerate(counts)])]
    known = [count for count in kept if count is not None]
    assert all(a == b or a - b >= LEAST for a, b in zip(known, known[1:], strict=False))
    assert kept[-1] == shown(counts[-1])


def test_a_small_group_takes_another_of_its_variable_with_it():
    def group(name, patients):
        return SubgroupReport(variable="Sex", group=name, patients=patients, stays=patients)

    told = subgroups([group("a", 4), group("b", 30), group("c", 50)])
    assert [g.patients for g in told] == [None, None, 50]


@pytest.fixture
def small(examples):
    report = examples.records()
    steps = (*report.cohort.flow, FlowStep(step="with a decision", stays=80))
    splits = {**report.cohort.splits, "tuning": report.cohort.splits["tuning"].model_copy(update={"patients": 7})}
    cohort = report.cohort.model_copy(
        update={
            "warnings": ("ph: 1 events of X", "30 events, 0.5 values", "12.5 rows"),
            "flow": steps,
            "splits": splits,
            "outcomes": {"in care": 41, "discharged alive": 39, "died": 3},
        }
    )
    return report.model_copy(update={"cohort": cohort})


def test_json_and_page_hold_no_small_count(small):
    told = suppressed(small)
    content = json.loads(told.model_dump_json())
    assert content["cohort"]["warnings"] == ["ph: under 10 events of X", "30 events, 0.5 values", "12.5 rows"]
    assert content["cohort"]["outcomes"] == {"in care": 41, "discharged alive": None, "died": None}
    assert [s["stays"] for s in content["cohort"]["flow"]] == [140, 140, 97, None, 80]
    gone = {name for name, split in content["cohort"]["splits"].items() if split["patients"] is None}
    assert gone == {"tuning", "held_out"}
    assert all(b["count"] is None or b["count"] >= LEAST for b in content["behavior"]["calibration"])
    assert all(f["out_of_bounds"] in (0, None, 11) for f in content["cohort"]["features"])
    text = page(told)
    assert "instead of a count" in text and "died: –" in text.replace("\u202f", " ")
    nothing = told.cohort.model_copy(update={"outcomes": {}, "flow": (), "splits": {}, "features": ()})
    assert "instead of a count" not in page(suppressed(small.model_copy(update={"cohort": nothing})))


def test_hiding_twice_changes_nothing(small):
    assert suppressed(suppressed(small)) == suppressed(small)


@pytest.mark.parametrize(("deaths", "told"), [(4.0, False), (0.0, True), (12.0, True)])
def test_scores_that_stand_on_a_few_deaths_are_not_told(small, deaths, told):
    scores = {"AUROC": 0.03, "deaths": deaths}
    simulator = small.simulator.model_copy(update={"outcome_scores": scores})
    external = small.external.model_copy(update={"scores": scores})
    found = suppressed(small.model_copy(update={"simulator": simulator, "external": external}))
    for kept in (found.simulator.outcome_scores, found.external.scores):
        assert kept == (scores if told else {"deaths": None})
    assert ("for fewer than 10 died" in page(found)) == (not told)


def test_checks_tell_no_small_count(small):
    check = CheckResult(name="duplicated stays", status="failed", found=3, of=83, detail="3 stays are the same")
    cohort = small.cohort.model_copy(update={"checks": (check,)})
    found = suppressed(small.model_copy(update={"cohort": cohort})).cohort.checks[0]
    assert (found.found, found.of, found.detail) == (None, 83, "under 10 stays are the same")


def test_hidden_outcomes_are_drawn_as_one(small):
    text = page(suppressed(small)).replace("\u202f", " ")
    assert "not shown apart: 42" in text and 'class="unknown" style="flex:42"' in text
