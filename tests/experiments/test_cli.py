import os
import subprocess
import sys

import pytest
from posology.experiments.cli import app, main
from typer.testing import CliRunner


def call(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("command", ["run", "compare", "simulate", "list", "watch", "validate"])
def test_help_teaches_every_command(command):
    shown = call(command, "--help")
    assert shown.exit_code == 0 and "Usage" in shown.output


def test_list_names_what_is_registered():
    shown = call("list").output
    for name in ("demo", "sepsis_mimic", "posology/Learned-v0", "lstm", "ppo", "weighted_importance_sampling"):
        assert name in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "demo", "ppo.stepz=3"], "steps"),
        (["run", "nowhere"], "sepsis_mimic"),
        (["compare", "nowhere", "neither", "--out", "x"], "nowhere"),
        (["simulate", "sepsys", "--patients", "3", "--out", "x"], "sepsis"),
    ],
)
def test_a_mistake_ends_in_one_clear_sentence(words, expected, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["posology", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert "error:" in told and expected in told and "Traceback" not in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("2", "2")])
def test_one_thread_unless_more_are_asked_for(given: str | None, threads: str) -> None:
    """A run repeats itself bit by bit only under the same number of threads."""
    code = "from posology.experiments import cli; cli.app = lambda: None; cli.main(); import torch; "
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    words = [sys.executable, "-c", code + "print(torch.get_num_threads())"]
    assert subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip() == threads
