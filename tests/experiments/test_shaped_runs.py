import pytest
from posology.envs import treatment
from posology.evaluation.report import load_report
from posology.experiments.config import ConfigError, load_config
from posology.experiments.plan import plan_of
from posology.experiments.runner import run_experiment
from posology.experiments.worth import shaped_of

SMALL = (
    "cohort.patients=240",
    "simulator={epochs: 2, members: 2, hidden: 8}",
    "ppo={steps: 3072, environments: 64, penalties: [1.0]}",
    "blends=[0.1]",
    "evaluation={draws: 100, simulator_stays: 100, true_stays: 100}",
)


def test_shaping_is_asked_for_in_the_config_and_retrains_policies_alone():
    plain, config = load_config("demo"), load_config("demo", ["reward.shaping.severity={sofa: 0.1, map: -0.05}"])
    assert shaped_of(plain, treatment("posology/Sepsis-v0")) is None
    assert shaped_of(config, treatment("posology/Sepsis-v0")) is not None
    before, after = plan_of(plain), plan_of(config)
    changed = {name for name in before if before[name].key != after[name].key}
    assert changed == {name for name in before if name.startswith("ppo_")} | {"choice", "evaluation"}


def test_what_cannot_be_shaped_is_said():
    with pytest.raises(ConfigError, match="reward.shaping.severity: no feature 'sofaa'"):
        shaped_of(load_config("demo", ["reward.shaping.severity={sofaa: 0.1}"]), treatment("posology/Sepsis-v0"))
    with pytest.raises(ConfigError, match="did you mean 'keeps_optimum'"):
        load_config("demo", ["reward.shaping={severity: {sofa: 0.1}, keep_optimum: true}"])


@pytest.mark.slow
def test_a_shaped_run_with_dqn_reports_both_values(tmp_path, quiet):
    overrides = [*SMALL, "learner=dqn", "reward.shaping={severity: {sofa: 0.1, map: -0.05}}"]
    report = load_report(run_experiment(load_config("demo", overrides), tmp_path, console=quiet).parent)
    policies = report.policies
    assert {"dqn", "dqn_unpenalised"} <= set(policies) and "ppo" not in policies
    assert policies["dqn"].label == "DQN, penalised" and policies["blend_10"].base == "dqn"
    gaps = [p.shaped_value.value - p.simulator_value.value for p in policies.values() if p.simulator_value is not None]
    assert len(gaps) > 5 and abs(gaps[0]) > 0.01
    assert gaps == pytest.approx([gaps[0]] * len(gaps), abs=1e-4), "shaping adds the severity at admission to all alike"
