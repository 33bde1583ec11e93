"""A run that is killed outright, in the middle of training the simulator, ends with the numbers of an unbroken one."""

import json

import pytest
import yaml
from posology.experiments.studies.kill import finish, folder_in, killed, numbers
from posology.experiments.studies.kill_page import write_page


def test_a_run_killed_while_the_simulator_learns_goes_on_to_the_same_numbers(small_run, small_config, tmp_path):
    out, config = tmp_path / "runs", tmp_path / "demo.yaml"
    config.write_text(yaml.safe_dump(small_config.model_dump(mode="json")))
    learning = "*/simulator.tmp/checkpoints/lstm_member_0.safetensors"
    states = killed(str(config), [], out, lambda: bool(list(out.glob(learning))))
    assert states["records"] == "done" and states["simulator"] == "interrupted" and states["evaluation"] == "waiting"
    (kept,) = out.glob(learning)
    assert kept.stat().st_size > 1000
    folder, _ = finish(str(config), [], out)
    assert folder == folder_in(out) and numbers(folder) == numbers(small_run[1])


def test_the_page_tells_every_kill_and_hides_no_failure(tmp_path):
    results = tmp_path / "docs" / "results"
    results.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="studies.kill"):
        write_page(tmp_path / "docs")
    kills = [
        {"moment": 9.0, "stages_done": 3, "interrupted_in": "simulator", "same_numbers": True, "differs": []},
        {"moment": 2.0, "stages_done": None, "interrupted_in": None, "same_numbers": False, "differs": ["policies"]},
    ]
    study = {"config": "demo", "overrides": ["ppo.steps=64"], "seconds_unbroken": 20.0, "kills": kills}
    (results / "kill_small.json").write_text(json.dumps(study))
    text = write_page(tmp_path / "docs").read_text()
    assert "Of 2 runs" in text and "1 ended with the very numbers" in text and "| 2.0 | – | – | NO |" in text
    assert "--kills 2 --results docs/results/kill_small.json ppo.steps=64" in text
