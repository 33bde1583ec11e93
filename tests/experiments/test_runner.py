import json
import shutil

import pytest
from posology.evaluation.compare import compare_runs
from posology.evaluation.report import load_report
from posology.experiments.config import load_config
from posology.experiments.plan import plan_of
from posology.experiments.runner import run_experiment

ESTIMATORS = {
    "importance_sampling",
    "per_decision_importance_sampling",
    "weighted_importance_sampling",
    "weighted_per_decision_importance_sampling",
    "direct_method",
    "doubly_robust",
    "weighted_doubly_robust",
    "magic",
    "simulated_direct_method",
}


def test_the_report_holds_what_is_promised(small_run):
    report = json.loads((small_run[1] / "report.json").read_text())
    assert {"schema_version", "config_hash", "cohort", "policies", "simulator", "provenance"} <= set(report)
    assert {"fingerprint", "patients", "stays", "flow"} <= set(report["cohort"])
    names = {"clinician", "fitted_clinician", "random", "none", "most_frequent", "ppo", "ppo_unpenalised", "blend_10"}
    assert names <= set(report["policies"])
    for name in names:
        policy = report["policies"][name]
        assert set(policy["estimates"]) == ESTIMATORS
        for estimate in policy["estimates"].values():
            keys = {"value", "low", "high", "effective_sample_size", "mean_weight", "verdict"}
            assert keys <= set(estimate)
        assert all({"rate", "low", "high", "limit"} <= set(c) for c in policy["constraints"].values())
        assert len(policy["constraints"]) == 2
        assert policy["simulator_value"]["value"] is not None and policy["true_value"]["value"] is not None
    assert sum(candidate["chosen"] for candidate in report["selection"]["candidates"]) == 1


def test_clinician_estimates_are_the_mean_observed_return(small_run):
    clinician = load_report(small_run[1]).policies["clinician"]
    for name in ESTIMATORS - {"direct_method", "magic", "simulated_direct_method"}:  # which believe a model
        assert clinician.estimates[name].value == pytest.approx(clinician.observed_value.value, abs=1e-9)


def test_the_page_is_whole_and_asks_for_nothing(small_run):
    page = (small_run[1] / "report.html").read_text()
    assert page.rstrip().endswith("</html>") and "Research only" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and "<script" not in page


def test_no_patient_appears_in_the_report(small_run):
    text = (small_run[1] / "report.json").read_text()
    assert '"subject' not in text and "subject_id" not in text


def test_a_finished_run_is_reused_and_a_lost_stage_gives_the_same_numbers(small_run, small_config, quiet, tmp_path):
    copy = tmp_path / small_run[1].name
    shutil.copytree(small_run[1], copy)
    shutil.rmtree(copy / "ppo_1")
    shutil.rmtree(copy / "evaluation")
    shutil.rmtree(copy / "simulator")
    run_experiment(small_config, tmp_path, console=quiet)
    again, before = load_report(copy), load_report(small_run[1])
    assert again.policies == before.policies
    assert again.selection == before.selection
    assert again.simulator == before.simulator


def test_comparing_a_run_with_itself_shows_no_difference(small_run, tmp_path):
    other = tmp_path / "copy"
    shutil.copytree(small_run[1], other)
    compare_runs([small_run[1], other], tmp_path / "out")
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    found = [row["estimates"] for row in comparison["differences"]] + [
        {"t": r["true"]} for r in comparison["differences"]
    ]
    values = [interval["value"] for row in found for interval in row.values() if interval]
    assert len(values) > 20 and all(value in (0, None) for value in values)


def test_runs_on_other_patients_are_not_compared(small_run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(small_run[1], other)
    report = load_report(other)
    cohort = report.cohort.model_copy(update={"fingerprint": "0" * 64})
    report.model_copy(update={"cohort": cohort}).save(other)
    with pytest.raises(ValueError, match="cohort"):
        compare_runs([small_run[1], other], tmp_path / "out")
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_second_simulator_weighs_every_penalty_and_values_every_policy(small_run):
    report = load_report(small_run[1])
    tried = report.selection.candidates
    assert [c.penalty for c in tried] == [0.0, 1.0, 3.0] and all(0 <= c.second <= 1 for c in tried)
    penalised = tried[1:]
    within = [c for c in penalised if c.unsupported <= 0.25]
    expected = max(within, key=lambda c: c.second) if within else min(penalised, key=lambda c: c.unsupported)
    assert expected.chosen
    valued = {name for name, policy in report.policies.items() if policy.second_value is not None}
    assert valued == {name for name, policy in report.policies.items() if policy.simulator_value is not None}
    assert report.policies["ppo"].second_value != report.policies["ppo"].simulator_value
    assert (small_run[1] / "second_simulator" / "model").is_dir()


def test_a_run_may_do_without_a_second_simulator():
    plan = plan_of(load_config("demo", ["ppo.second_members=0"]))
    assert "second_simulator" not in plan and "second_simulator" not in plan["choice"].needs
    assert "second_simulator" in plan_of(load_config("demo"))["evaluation"].needs
