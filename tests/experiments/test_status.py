"""`posology status`: what is done, what is stale and why, what goes on from where."""

import json
import shutil

import pytest
import yaml
from posology.experiments.cli import app
from posology.experiments.config import ConfigError
from posology.experiments.plan import plan_of
from posology.experiments.stages import Run, unfinished
from posology.experiments.status import status
from posology.trajectories.checkpoint import Checkpoint
from typer.testing import CliRunner


@pytest.fixture
def copy(small_run, tmp_path):
    return shutil.copytree(small_run[1], tmp_path / small_run[1].name)


def states(folder):
    return {stage.name: stage.state for stage in status(folder)[1]}


def change(folder, **settings):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for name, value in settings.items():
        section, key = name.split("__")
        config[section][key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_every_stage_of_a_finished_run_is_listed_as_done(small_run, small_config):
    config, stages = status(small_run[1])
    assert config == small_config
    folders = {path.parent.name for path in small_run[1].glob("*/stage.json")}
    assert {stage.name for stage in stages} == folders == set(plan_of(small_config))
    assert all(stage.state == "done" and stage.seconds >= 0 and not stage.why for stage in stages)
    assert len({stage.key for stage in stages}) == len(stages)


def test_a_changed_setting_makes_what_depends_on_it_stale_and_says_so(copy):
    change(copy, simulator__hidden=16)
    found = {stage.name: stage for stage in status(copy)[1]}
    assert found["simulator"].state == "stale" and found["simulator"].why == ("simulator.hidden: 8 became 16",)
    assert found["ppo_1"].why == ("simulator changed",)
    assert found["evaluation"].why == ("simulator, second_simulator, choice, ppo_0, ppo_1, ppo_3 changed",)
    assert {name for name, stage in found.items() if stage.state == "done"} == {
        "cohort", "records", "reference_linear", "reference_persistence", "behavior", "behavior_refits", "imitation",
    }  # fmt: skip


def test_the_reward_is_part_of_what_a_policy_was_trained_for(copy):
    change(copy, reward__died=-1.0)
    found = states(copy)
    assert found["ppo_0"] == found["evaluation"] == "stale" and found["simulator"] == found["imitation"] == "done"


def test_interrupted_and_waiting_stages_say_where_they_go_on(copy):
    shutil.rmtree(copy / "simulator")
    shutil.rmtree(copy / "evaluation")
    plan = plan_of(status(copy)[0])
    with pytest.raises(KeyboardInterrupt):
        Run(copy, plan).stage("simulator", interrupt, str)
    unfinished(copy, "behavior").mkdir()
    shutil.rmtree(copy / "behavior")
    found = {stage.name: stage for stage in status(copy)[1]}
    assert found["simulator"].state == "interrupted" and "from its checkpoint" in found["simulator"].why[0]
    assert found["behavior"].state == "interrupted" and "starts over" in found["behavior"].why[0]
    assert found["evaluation"].state == "waiting" and found["evaluation"].seconds is None
    with Run(copy, plan).locked():
        assert states(copy)["simulator"] == "running"


def interrupt(folder, progress):
    Checkpoint.within(folder).save(step=1)
    raise KeyboardInterrupt


def test_looking_changes_nothing(copy):
    before = sorted((p, p.stat().st_mtime_ns) for p in copy.rglob("*"))
    states(copy)
    assert sorted((p, p.stat().st_mtime_ns) for p in copy.rglob("*")) == before


def test_the_command_prints_a_table_or_json(copy):
    change(copy, simulator__hidden=16)
    told = CliRunner().invoke(app, ["status", str(copy)], env={"COLUMNS": "120"})
    assert told.exit_code == 0 and "simulator.hidden: 8 became 16" in told.output and "ppo_3" in told.output
    listed = json.loads(CliRunner().invoke(app, ["status", str(copy), "--json"]).output)
    assert [s["name"] for s in listed["stages"]][:3] == ["cohort", "records", "simulator"]


def test_where_there_is_no_run_it_says_so(tmp_path):
    with pytest.raises(ConfigError, match="no run in"):
        status(tmp_path)
