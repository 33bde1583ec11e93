"""Curves on disk: whole after a kill, one training whatever interrupted it, and no influence on what is learned."""

import json
import sys

import pytest
import torch
from posology.agents.save import load_policy
from posology.envs import treatment
from posology.experiments.config import load_config
from posology.experiments.learners import learned_in
from posology.experiments.logs import curves, logbook
from posology.experiments.plan import plan_of
from posology.experiments.stages import Run

from .conftest import SMALL


def write(folder, points):
    with logbook(folder, "stage") as log:
        for step, value in points:
            log("loss", value, step)


@pytest.mark.parametrize("board", [True, False])
def test_a_training_that_is_taken_up_again_writes_over_what_it_repeats(tmp_path, monkeypatch, board):
    if not board:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write(tmp_path, [(10, 3.0), (20, 2.0), (30, 1.5)])
    path = tmp_path / "logs" / "stage.jsonl"
    with path.open("a") as file:
        file.write('{"tag": "loss", "step": 40, "val')  # killed while it wrote
    assert curves(tmp_path, "stage") == {"loss": {10: 3.0, 20: 2.0, 30: 1.5}}
    write(tmp_path, [(20, 2.5), (30, 1.0)])
    assert curves(tmp_path, "stage") == {"loss": {10: 3.0, 20: 2.5, 30: 1.0}}
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [10, 20, 30]
    assert (tmp_path / "logs" / "stage").is_dir() == board


def test_tensorboard_reads_the_very_curve(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, [(10, 3.0), (20, 2.0), (30, 1.5)])
    write(tmp_path, [(20, 2.5), (30, 1.0)])
    events = EventAccumulator(str(tmp_path / "logs" / "stage"))
    events.Reload()
    assert {e.step: e.value for e in events.Scalars("loss")} == curves(tmp_path, "stage")["loss"]


def test_nothing_is_made_where_nothing_is_written(tmp_path):
    write(tmp_path, [])
    assert not list(tmp_path.iterdir()) and curves(tmp_path, "stage") == {}


@pytest.mark.parametrize("name", ["masked_ppo"])
def test_the_policy_is_the_same_with_and_without_tensorboard(tmp_path, monkeypatch, name):
    config = load_config("demo", [*SMALL, f"learner={name}", "ppo.steps=1536", "ppo.environments=32"])

    def trained(folder):
        run = Run(folder, plan_of(config))
        learned_in(treatment("posology/Sepsis-v0"), config, run, None, penalty=0.0, first_seed=5)
        return load_policy(folder / f"{name}_0" / "policy").weights()

    with_board = trained(tmp_path / "with")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    without = trained(tmp_path / "without")
    assert all(torch.equal(with_board[key], without[key]) for key in with_board)
    found = curves(tmp_path / "with", f"{name}_0")
    assert found == curves(tmp_path / "without", f"{name}_0")
    assert {"train/value_loss", "train/reward_per_stay"} <= set(found) and len(found["train/value_loss"]) >= 5
