"""Learners that are killed outright in the middle of their stage end with the policy of an unbroken run."""

import json
import random

import pytest
from posology.experiments.config import ExperimentConfig, load_config
from posology.experiments.plan import plan_of
from posology.experiments.studies.kill import finish
from posology.experiments.studies.kill_learners import OFFLINE, RUNS, SMALL, files_of, kill_stage, overrides_of, section


def test_every_learner_of_a_config_is_killed_in_a_stage_that_its_run_has():
    learners = ExperimentConfig.model_fields["learner"].annotation.__args__
    assert set(RUNS) == set(learners)
    for learner, stages in RUNS.items():
        assert set(stages) < set(plan_of(load_config("demo", overrides_of(learner))))
    offline = ExperimentConfig.model_fields["offline"].annotation.__args__[0].__args__
    assert set(OFFLINE) == set(offline)


def test_the_receipt_and_its_seconds_are_not_compared_but_all_else_is(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "weights.safetensors").write_bytes(b"1")
    (tmp_path / "stage.json").write_text('{"seconds": 1.0}')
    before = files_of(tmp_path)
    assert list(before) == ["policy/weights.safetensors"]
    (tmp_path / "policy" / "weights.safetensors").write_bytes(b"2")
    assert files_of(tmp_path) != before


def test_the_page_hides_no_failure():
    kill = {"stage": "sac_1", "seconds": 4.0, "moment": 2.0, "goes_on_from": "its start"}
    kills = [{**kill, "same_files": True, "same_numbers": True}, {**kill, "same_files": False, "same_numbers": True}]
    text = section(json.loads(json.dumps({"config": "demo", "overrides": list(SMALL), "kills": kills})))
    assert "Of 2 stages" in text and "1 ended with the very files" in text
    assert "| sac_1 | 4.0 | 2.0 | its start | NO | yes |" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "stages"), [("ppo", ["ppo_1"]), ("masked_ppo", ["masked_ppo_1", "offline_td3_bc"])]
)
def test_a_killed_learner_ends_with_the_policy_of_an_unbroken_run(learner, stages, tmp_path):
    overrides = overrides_of(learner)
    finish("demo", overrides, tmp_path / "whole")
    for stage in stages:
        chance = random.Random(stage)
        found = kill_stage("demo", overrides, tmp_path / "whole", stage, work=tmp_path / "killed", chance=chance)
        assert found["same_files"] and found["same_numbers"]
        assert found["goes_on_from"] == ("its start" if stage.startswith("ppo") else "its checkpoint")
