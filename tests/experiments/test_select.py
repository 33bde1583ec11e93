import json
import shutil

import pytest
from posology.evaluation.report import load_report
from posology.experiments.cli import app
from posology.experiments.judge import WITH_CRITIC
from posology.experiments.runner import run_experiment
from posology.experiments.select import choose
from typer.testing import CliRunner


def test_candidates_of_a_run_are_ranked_with_their_risk(small_run, tmp_path):
    folder = small_run[1]
    report, choice = load_report(folder), choose(folder)
    judged = [p for p, found in report.policies.items() if found.kind not in ("clinician", "behavior")]
    assert {row.name for row in choice.ranked} | set(choice.left_out) == set(judged)
    for row in choice.ranked:
        assert row.verdict != "not evaluable" and 0 <= row.risk.no_better <= 1 and row.risk.regret >= 0
        assert row.value == pytest.approx(report.policies[row.name].estimates[choice.estimator].value)
    values = [row.value for row in choice.ranked]
    assert values == sorted(values, reverse=True)
    assert sum(row.risk.best for row in choice.ranked) == pytest.approx(1.0 if choice.ranked else 0.0)
    assert all(reason for reason in choice.left_out.values())
    assert all(
        row.risk.no_better <= row.risk.chosen and row.better == (row.risk.chosen <= 0.05) for row in choice.ranked
    )
    assert choose(folder) == choice


def test_the_command_prints_and_writes_the_ranking(small_run, tmp_path):
    out = tmp_path / "ranking.json"
    result = CliRunner().invoke(app, ["select", str(small_run[1]), "--json", str(out)])
    told = " ".join(result.output.split())
    assert result.exit_code == 0 and "(none)" in told and "…" not in told
    assert "Known truth: clinicians" in told and "type I error" in told and "First choice:" in told
    assert json.loads(out.read_text())["estimator"] == "weighted_importance_sampling"
    with pytest.raises(ValueError, match="no estimator 'wis'"):
        choose(small_run[1], estimator="wis")


def test_a_critic_adds_its_estimates_and_ranks_what_is_kept(small_run, small_config, quiet, tmp_path):
    """The same run with fitted Q evaluation: only the evaluation is made anew."""
    config = small_config.model_copy(
        update={"evaluation": small_config.evaluation.model_copy(update={"critic": "linear"})}
    )
    copy = tmp_path / f"{config.name}-{config.hash}"
    shutil.copytree(small_run[1], copy)
    run_experiment(config, tmp_path, console=quiet)
    policies = load_report(copy).policies
    for policy in policies.values():
        if policy.estimates:
            assert set(WITH_CRITIC) <= set(policy.estimates)
            assert policy.estimates["direct_method"].verdict == "model-based"
    before = load_report(small_run[1]).policies
    assert policies["ppo"].estimates["weighted_importance_sampling"].value == pytest.approx(
        before["ppo"].estimates["weighted_importance_sampling"].value
    )
    choice = choose(copy)
    critics = [row.critic for row in choice.ranked]
    assert None not in critics and critics == sorted(critics, reverse=True)


def test_a_critic_that_sees_what_the_simulator_infers_says_something_else(small_run, small_config, quiet, tmp_path):
    """Weights do not change with what the critic sees; its own value does."""
    found = []
    for sees in ("observations", "belief"):
        evaluation = small_config.evaluation.model_copy(update={"critic": "linear", "critic_sees": sees})
        config = small_config.model_copy(update={"evaluation": evaluation})
        copy = tmp_path / f"{config.name}-{config.hash}"
        shutil.copytree(small_run[1], copy)
        run_experiment(config, tmp_path, console=quiet)
        found.append(load_report(copy).policies["ppo"].estimates)
    one, other = found
    assert one["weighted_importance_sampling"].value == pytest.approx(other["weighted_importance_sampling"].value)
    assert one["direct_method"].value != pytest.approx(other["direct_method"].value, abs=1e-4)


def test_the_truth_is_told_where_it_is_known(small_run):
    report, choice = load_report(small_run[1]), choose(small_run[1], risk=1.0)
    true = [report.policies[row.name].true_value.value for row in choice.ranked]
    base = report.policies["clinician"].true_value.value
    assert choice.truth.clinicians == base and choice.truth.regret == pytest.approx(max(true) - true[0])
    supported = [row.verdict == "supported" for row in choice.ranked]  # at a risk of 1 all of these are claimed better
    assert choice.truth.no_better == sum(value <= base for value in true)
    assert choice.truth.false_alarms == sum(t <= base for t, s in zip(true, supported, strict=True) if s)
    assert choice.truth.missed == sum(t > base for t, s in zip(true, supported, strict=True) if not s)
    assert choice.truth.lost >= choice.truth.regret
    never = choose(small_run[1], risk=0.0).truth
    assert never.false_alarms == 0 and never.missed == sum(value > base for value in true)


def test_nothing_evaluable_and_no_truth_are_said_in_words(small_run, tmp_path):
    copy = tmp_path / "poor"
    shutil.copytree(small_run[1], copy)
    report = load_report(copy)
    poor = {
        name: p.model_copy(
            update={
                "true_value": None,
                "estimates": {
                    k: e.model_copy(update={"verdict": "not evaluable", "reasons": ("effective sample of 3 patients",)})
                    for k, e in p.estimates.items()
                },
            }
        )
        for name, p in report.policies.items()
    }
    report.model_copy(update={"policies": poor}).save(copy)
    choice = choose(copy)
    assert choice.ranked == () and choice.truth is None
    said = " ".join(CliRunner().invoke(app, ["select", str(copy)]).output.split())
    assert "no candidate can be evaluated" in said and "blends of a smaller share" in said
    assert "PPO, penalised (ppo): effective sample of 3 patients" in said and "Known truth" not in said


def test_the_word_of_a_model_claims_nobody_to_be_better(small_run):
    choice = choose(small_run[1], estimator="direct_method")
    assert len(choice.ranked) > 3 and not any(row.better for row in choice.ranked)
    args = ["select", str(small_run[1]), "--estimator", "direct_method"]
    assert "leave out the error of that model" in " ".join(CliRunner().invoke(app, args).output.split())
