"""Watching a policy beside the clinician: whom, where, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from posology.envs import render_style as style
from posology.experiments import watch as module
from posology.experiments.cli import app
from posology.experiments.config import ConfigError
from posology.experiments.runner import known_truth
from posology.experiments.watch import follow, scene_of, watch
from posology.trajectories.rollout import rollout
from typer.testing import CliRunner


def test_both_meet_the_patients_and_the_chance_of_the_run(small_run, small_config):
    scene = scene_of(small_run[1], "ppo")
    known = known_truth(small_config)
    assert scene.world == "known truth" and scene.names == ("Clinician", "PPO, penalised")
    for actor in (known.clinician, scene.actors[1]):
        stay = rollout(known.treatment, actor, 3, seed=scene.first).trajectories
        for i in range(3):
            course, length = follow(scene.treatments[0], actor, scene.first + i), int(stay.length[i])
            np.testing.assert_array_equal(course.dose, stay.dose[i, :length])
            np.testing.assert_array_equal(course.vitals[:length], stay.vitals[i, :length])
            assert course.outcome == int(stay.outcome[i])


def test_everyone_in_the_report_can_be_watched(small_run):
    names = ["fitted_clinician", "random", "none", "most_frequent", "observable_rule", "ppo_unpenalised", "ppo"]
    labels = {name: scene_of(small_run[1], name).names[1] for name in [*names, "blend_10", "ppo_1", "ppo_3"]}
    assert labels["most_frequent"] == "Most frequent dose" and labels["ppo_3"] == "PPO, penalty 3"
    assert len(set(labels.values())) == len(labels)


def test_the_policies_differ_where_they_should(small_run):
    obs = torch.zeros(1, scene_of(small_run[1], "none").treatments[0].observation_dim)
    probs = {n: scene_of(small_run[1], n).actors[1].probs(obs, None) for n in ("none", "random", "ppo_1", "ppo_3")}
    assert probs["none"][0, 0] == 1 and torch.allclose(probs["random"], torch.full((1, 25), 0.04))
    assert not torch.equal(probs["ppo_1"], probs["ppo_3"])


def test_in_the_learned_simulator_the_fitted_clinician_stands_in(small_run):
    scene = scene_of(small_run[1], "ppo", learned=True)
    assert scene.world == "learned simulator" and scene.names[0] == "Fitted clinician"
    course = follow(scene.treatments[0], scene.actors[1], scene.first)
    assert course.forecasts and course.horizon == 72
    with pytest.raises(ConfigError, match="where the truth is known"):
        scene_of(small_run[1], "observable_rule", learned=True)


def test_a_run_on_records_is_watched_in_the_learned_simulator(small_run, tmp_path):
    copy = tmp_path / "records"
    shutil.copytree(small_run[1], copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["cohort"] = {"kind": "records", "path": str(tmp_path / "moved away"), "task": "sepsis_simulated"}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    scene = scene_of(copy, "blend_10")
    assert scene.world == "learned simulator" and scene.names == ("Fitted clinician", "Blend, 10% PPO")
    assert follow(scene.treatments[0], scene.actors[1], scene.first).decisions > 0


def test_the_animation_has_a_frame_for_every_decision(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr(style, "PAIR", (600, 400))
    scene = scene_of(small_run[1], "none")
    monkeypatch.setattr(module, "scene_of", lambda *_, **__: scene)
    path = watch(small_run[1], "none", out=tmp_path / "new" / "a.gif", seed=28)
    decisions = max(follow(scene.treatments[0], actor, scene.first + 28).decisions for actor in scene.actors)
    with Image.open(path) as animation:
        assert animation.size == (600, 400) and animation.n_frames == decisions + 1
    assert [p.name for p in path.parent.iterdir()] == ["a.gif"]


def test_what_cannot_be_watched_is_said_plainly(small_run, tmp_path):
    with pytest.raises(ConfigError, match="no run in"):
        watch(tmp_path / "nowhere", "ppo")
    with pytest.raises(ConfigError, match=r"no policy 'clinician'.*known: fitted_clinician, .*ppo_1, ppo_3"):
        watch(small_run[1], "clinician")
    with pytest.raises(ValueError, match="got .avi"):
        watch(small_run[1], "ppo", out=tmp_path / "a.avi")
    copy = tmp_path / "unfinished"
    shutil.copytree(small_run[1], copy)
    shutil.rmtree(copy / "ppo_0")
    with pytest.raises(ConfigError, match="not finished: ppo_0"):
        watch(copy, "ppo")
    (copy / "report.json").unlink()
    with pytest.raises(ConfigError, match=r"not finished: report.json is missing; run it again"):
        watch(copy, "ppo")
    assert not list(tmp_path.rglob("*.gif"))


def test_the_command_reaches_the_function(small_run, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "watch", lambda *args, **options: calls.append((args, options)) or tmp_path / "x.gif")
    result = CliRunner().invoke(app, ["watch", str(small_run[1]), "--policy", "ppo", "--seed", "7", "--learned"])
    assert result.exit_code == 0, result.output
    (folder, policy), options = calls[0]
    assert (folder, policy) == (small_run[1], "ppo")
    assert options["seed"] == 7 and options["learned"] and options["out"] is None
