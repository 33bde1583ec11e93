"""The sections that a finished run brings beyond its policies: task, subgroups, diagnostics, checklist."""

import itertools
import json

import pytest
import torch
from posology.evaluation.report import load_report
from posology.experiments.select import choose
from posology.experiments.simulated_estimate import first_states
from posology.experiments.task_section import task_section
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.trajectories.save import load_trajectories
from posology.trajectories.split import split
from posology.trajectories.task_file import load_task


@pytest.fixture(scope="module")
def report(small_run):
    return load_report(small_run[1])


@pytest.fixture(scope="module")
def stays(small_run):
    return load_trajectories(small_run[1] / "records" / "trajectories")


def test_the_task_is_told_in_full_and_its_dose_counts_are_those_of_the_cohort(report, stays):
    names = [fact.name for fact in report.task.facts]
    assert names[:3] == ["Who", "Time zero", "When a decision is made"] and "What counts" in names
    told = {fact.name: fact.text for fact in report.task.facts}
    assert "25 combinations" in told["What may be chosen"] and "Every 4 h" in told["When a decision is made"]
    fluid = [level for level in report.task.levels if level.drug == "Intravenous fluid"]
    given = stays.dose[..., 0][stays.mask]
    for level in fluid:
        low = -torch.inf if level.above is None else level.above
        high = torch.inf if level.up_to is None else level.up_to
        count = int(((given > low) & (given <= high)).sum())
        assert level.decisions in (count, None) and (level.decisions is None) == (0 < count < 10)


def test_every_shipped_task_can_be_told(report, stays):
    for name in ("sepsis", "sepsis_simulated"):
        told = task_section(load_task(name), stays, report.estimand)
        assert all(fact.text for fact in told.facts) and told.description


def test_groups_of_a_variable_make_up_the_held_out_patients(report, stays, small_config):
    held_out = split(stays, small_config.split_salt)["held_out"]
    variables = {group.variable for group in report.subgroups}
    assert len(variables) == 4 and len(report.subgroups) == 8
    for variable in variables:
        counts = [group.stays for group in report.subgroups if group.variable == variable]
        assert None in counts or sum(counts) == len(held_out)
    group = next(g for g in report.subgroups if g.stays is not None)
    assert set(group.estimates) == {n for n, p in report.policies.items() if p.estimates}
    for e in group.estimates.values():
        assert e.effective_sample_size <= group.stays + 1e-6 and len(e.reasons) > (e.verdict == "not evaluable") - 1


def test_estimates_carry_their_diagnostics(report):
    for policy in report.policies.values():
        weighing = [e for e in policy.estimates.values() if e.weighted_stays is not None]
        without = {n for n, e in policy.estimates.items() if e.weighted_stays is None and e.verdict == "model-based"}
        assert without <= {"direct_method", "simulated_direct_method"}, "a critic and a simulator weigh no stays"
        for e in weighing:
            assert len(e.effective_sample_sizes) == 18
            assert e.effective_sample_sizes[-1] == pytest.approx(e.effective_sample_size)
    behavior = report.behavior
    assert len(behavior.actions) == 25 and behavior.actions[0].doses == (0.0, 0.0)
    assert sum(b.count or 0 for b in behavior.propensities) <= behavior.decisions
    assert all(-1 <= p.kappa <= 1 for p in report.policies.values() if p.kappa is not None)


def test_fidelity_has_scores_and_coverage_by_feature_and_horizon(report):
    rows = [r for r in (*report.simulator.one_step, *report.simulator.open_loop) if r.model == "lstm"]
    assert {r.decisions for r in rows} == {1, 4, 8, 18} and {r.feature for r in rows} >= {"map", "lactate", "film"}
    for r in rows:
        if r.rmse is not None:
            assert 0 <= r.within_50 <= r.within_95 <= 1 and 0 < r.crps < 2 * r.rmse + 1


def test_the_checklist_lies_beside_the_report(small_run):
    items = json.loads((small_run[1] / "checklist.json").read_text())["items"]
    assert {"reported", "partly", "for the authors", "not in this run"} == {item["status"] for item in items}


def test_the_chosen_policy_is_told_as_a_tree(small_run, report):
    pytest.importorskip("sklearn")
    tree = report.tree
    leaves = [row for row in tree.rows if row.doses]
    assert tree.policy in report.policies and report.policies[tree.policy].kind == "penalised"
    assert len(leaves) == tree.leaves and max(row.depth for row in tree.rows) == tree.depth <= 4
    assert sum(row.share for row in leaves) == pytest.approx(1) and all(len(row.doses) == 2 for row in leaves)
    assert 0 < tree.fidelity <= 1 and tree.measured_in == "known truth"
    policy = report.policies[tree.policy].true_value
    assert tree.value.value == pytest.approx(policy.value + tree.difference.value)
    assert tree.value.low < tree.value.value < tree.value.high


def test_the_worst_tenth_of_every_policy_that_was_rolled_out_is_told(report):
    for policy in report.policies.values():
        rolled = policy.true_value or policy.simulator_value
        assert (policy.worst_tenth is None) == (rolled is None)
        if policy.worst_tenth is not None:
            assert policy.worst_tenth.low <= policy.worst_tenth.value <= rolled.value


def test_hidden_causes_are_asked_about_for_the_chosen_policy_and_the_boldest_blend(report, small_config):
    told = report.sensitivity
    assert told.clinicians == pytest.approx(report.policies["clinician"].observed_value.value)
    assert told.hidden == small_config.cohort.hidden_confounding
    roles = {one.role: one for one in told.policies}
    assert report.policies[roles["chosen"].policy].kind == "penalised" and roles["chosen"].kept == 0
    blends = [p for p in report.policies.values() if p.kind == "blend"]
    carried = [p for p in blends if p.estimates[report.primary_estimator].verdict in ("supported", "weak")]
    assert ("boldest" in roles) == bool(carried)
    for one in told.policies:
        e, curve = report.policies[one.policy].estimates[report.primary_estimator], one.marginal
        assert curve.verdict == e.verdict and curve.reasons == e.reasons
        if not curve.points:
            continue
        first = curve.points[0]
        for found, known in (
            ((first.lower, first.low, first.high), (e.value, e.low, e.high)),
            ((first.upper - told.clinicians, first.gap_low, first.gap_high), tuple(vars(e.difference).values())),
        ):
            assert found == pytest.approx(known, abs=1e-9)
        for a, b in itertools.pairwise(curve.points):
            assert b.lower <= a.lower <= a.upper <= b.upper and b.gap_low <= a.gap_low + 1e-9
        assert one.single is None or one.single.verdict in ("model-based", "not evaluable")


def test_how_stays_differ_is_told_as_surely_as_the_value_itself(report):
    """Survival is all of a stay here: what the weights say of deaths must be what they say of the value."""
    assert set(report.distributions) == set(report.policies)
    seen = set()
    for name, policy in report.policies.items():
        found, e = report.distributions[name], policy.estimates.get(report.primary_estimator)
        rolled = policy.true_value
        assert found.measured_in == "known truth" and found.simulated["worst_tenth"] == policy.worst_tenth
        assert found.simulated["mortality"].value == pytest.approx(1 - rolled.value)
        assert found.simulated["deviation"].value == pytest.approx((rolled.value * (1 - rolled.value)) ** 0.5)
        if e is None or e.value is None:
            assert not found.estimated
            continue
        ours = found.estimated["mortality"]
        assert ours.value == pytest.approx(1 - e.value) and ours.verdict == e.verdict
        assert (ours.low, ours.high) == pytest.approx((max(1 - e.high, 0), min(1 - e.low, 1)), abs=1e-9)
        assert found.estimated["worst_tenth"].low <= found.estimated["worst_tenth"].value
        order = ["supported", "weak", "not evaluable"]
        assert order.index(found.estimated["worst_tenth"].verdict) >= order.index(e.verdict)
        seen.add(e.verdict)
    assert len(seen) > 1


def test_the_simulator_is_asked_about_the_held_out_patients_themselves(report):
    """An estimate like the others: paired, ranked, model-based, and beside what the records say."""
    clinician = report.policies["clinician"].estimates["simulated_direct_method"]
    for policy in report.policies.values():
        own = policy.estimates.get("simulated_direct_method")
        assert (own is None) == (not policy.estimates)
        if own is None:
            continue
        assert own.verdict == "model-based" and own.low <= own.value <= own.high and own.simulator_gap is None
        assert own.error == pytest.approx(own.value - policy.true_value.value)
        if policy.kind != "clinician":
            assert own.difference.value == pytest.approx(own.value - clinician.value)
        for e in policy.estimates.values():
            if e.value is not None and e is not own:
                assert e.simulator_gap.value == pytest.approx(own.value - e.value)
                if e.verdict == "supported":
                    assert e.simulator_gap.low <= e.simulator_gap.value <= e.simulator_gap.high
    fitted = report.policies["fitted_clinician"].estimates["simulated_direct_method"]
    assert (fitted.value, fitted.low, fitted.high) == (clinician.value, clinician.low, clinician.high)
    assert fitted.difference.value == fitted.difference.low == fitted.difference.high == 0
    assert "simulated_direct_method" in {row.score for row in report.ranking}


def test_a_course_opens_with_what_the_record_of_that_patient_opens_with(stays):
    patient = fit_lstm(*(split(stays)[part] for part in ("train", "tuning")), LSTMConfig(members=2, hidden=4, epochs=1))
    for few in (stays.rows(torch.arange(40)), stays.rows(torch.argsort(stays.length)[:20])):
        first, whole = first_states(patient, few), patient.resume(few)
        at = torch.arange(len(few)) * (few.mask.shape[1] + 1)
        for name, value in vars(whole.rows(at)).items():
            assert torch.equal(getattr(first, name), value), name
        assert (first.outcome == 0).all() and (first.memory[:, 0] == -1).all() and (first.memory[:, 1:] == 0).all()


def test_the_ranking_has_the_simulators_word_beside_the_records(small_run):
    choice = choose(small_run[1])
    report = load_report(small_run[1])
    for row in choice.ranked:
        assert row.simulated == report.policies[row.name].estimates["simulated_direct_method"].value
    alone = choose(small_run[1], estimator="simulated_direct_method")
    judged = [n for n, p in report.policies.items() if p.estimates and p.kind not in ("clinician", "behavior")]
    assert {row.name for row in alone.ranked} == set(judged) and {row.verdict for row in alone.ranked} == {
        "model-based"
    }
