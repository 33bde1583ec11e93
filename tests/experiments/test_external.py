"""The simulator on another record set: never seen, and paired with simpler models from home."""

import dataclasses

import pytest
from posology.evaluation.page import page
from posology.evaluation.report import load_report
from posology.experiments.config import ConfigError, load_config
from posology.experiments.external_stage import external_stage
from posology.experiments.plan import plan_of
from posology.experiments.reading import read_cohort
from posology.experiments.runner import run_experiment
from posology.experiments.stages import Run
from posology.trajectories.save import load_trajectories

AWAY = ["external.kind=simulated", "external.patients=120", "external.confounding=4.0"]


@pytest.fixture(scope="module")
def away(tmp_path_factory, small_config, quiet):
    config = small_config.model_copy(
        update={
            "external": load_config("demo", AWAY).external,
            "ppo": small_config.ppo.model_copy(update={"steps": 64}),
        }
    )
    return config, run_experiment(config, tmp_path_factory.mktemp("away"), console=quiet).parent


def test_it_is_judged_on_patients_that_home_never_saw(away):
    _, folder = away
    home, there = (load_trajectories(folder / name / "trajectories") for name in ("records", "external_records"))
    assert not set(home.subject.tolist()) & set(there.subject.tolist()) and len(there) == 120
    found = load_report(folder).external
    assert (found.patients, found.stays, found.decisions) == (120, 120, int(there.mask.sum()))
    assert found.features == tuple(f.name for f in home.spec.features) and not found.missing


def test_every_number_is_paired_with_simpler_models_from_home(away):
    report = load_report(away[1])
    x = report.external
    assert {c.against for c in x.comparisons} == {"linear", "persistence"} and len(x.comparisons) == 8
    assert all(c.low <= c.difference <= c.high for c in x.comparisons)
    assert {r.model for r in x.errors} == {r.model for r in x.home} == {"lstm", "linear", "persistence"}
    assert sum(r.count for r in x.errors if r.model == "lstm") == sum(r.count for r in x.errors if r.model == "linear")
    text = page(report)
    assert 'id="external"' in text and "The simulator learned at home" in text and "simulated sepsis" in text


def test_config_and_plan_know_it(small_config, away):
    config, _ = away
    assert config.hash != small_config.hash
    with pytest.raises(ConfigError, match="did you mean 'patients'"):
        load_config("demo", [*AWAY, "external.patient=3"])


def test_a_task_with_other_decision_times_is_refused(away, quiet):
    config, folder = away
    run = Run(folder, plan_of(config))
    cohort = read_cohort(config, run)
    other = dataclasses.replace(cohort, task=cohort.task.model_copy(update={"interval": 1.0}))
    with pytest.raises(ConfigError, match="same interval"):
        external_stage(config, run, other, None, None)
