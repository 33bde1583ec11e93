import pytest
from posology.experiments.config import load_config
from posology.experiments.runner import run_experiment
from rich.console import Console

SMALL = [
    "cohort.patients=240",
    "simulator.epochs=2",
    "simulator.members=2",
    "simulator.hidden=8",
    "ppo.steps=3072",
    "ppo.environments=64",
    "ppo.penalties=[1.0,3.0]",
    "blends=[0.1]",
    "behavior.refits=2",
    "evaluation.draws=100",
    "evaluation.simulator_stays=100",
    "evaluation.true_stays=100",
]


@pytest.fixture(scope="session")
def quiet():
    return Console(quiet=True)


@pytest.fixture(scope="session")
def small_config():
    return load_config("demo", SMALL)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, small_config, quiet):
    """A finished run of the whole spine on a small cohort: (folder that holds the run, run folder)."""
    out = tmp_path_factory.mktemp("runs")
    return out, run_experiment(small_config, out, console=quiet).parent
