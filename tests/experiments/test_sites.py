"""A run on the records of hospitals whose clinicians differ: sites are told apart from the fit to the page."""

import json

import pytest
import torch
from posology.agents.save import load_policy
from posology.evaluation.report import load_report
from posology.experiments.config import ConfigError, load_config
from posology.experiments.runner import run_experiment
from posology.experiments.sources import true_treatment
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.trajectories.batches import concatenate
from posology.trajectories.rollout import rollout
from posology.trajectories.task_file import load_task
from posology.trajectories.write import write_meds

TASK = "extends: sepsis_simulated\nname: hospitals\ncohort: {site: {column: hospital}}\n"
SETTINGS = """
name: hospitals
cohort: {kind: records, path: PATH, task: TASK}
simulator: {epochs: 1, members: 2, hidden: 8}
behavior: {kind: logistic, refits: 2}
ppo: {steps: 512, environments: 64, penalties: [1.0], second_members: 0}
blends: [0.1]
evaluation: {draws: 100, simulator_stays: 50, critic: none}
"""
HOSPITALS = {11: (55.0, 120), 12: (78.0, 120), 30: (65.0, 14)}  # target of arterial pressure in mmHg, stays


def stays():
    parts = []
    for number, (target, count) in HOSPITALS.items():
        done = rollout(true_treatment("sepsis"), SepsisClinician(target=target), count, seed=1000 * number)
        parts.append(done.trajectories.replace(site=torch.full((count,), number)))
    return concatenate(parts)


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory, quiet):
    """(run folder, path of the config)."""
    place = tmp_path_factory.mktemp("hospitals")
    task = place / "task.yaml"
    task.write_text(TASK)
    data = write_meds(stays(), place / "meds", load_task(task))
    config = place / "config.yaml"
    config.write_text(SETTINGS.replace("PATH", str(data)).replace("TASK", str(task)))
    return run_experiment(load_config(config), place / "runs", console=quiet).parent, config


def test_the_fitted_clinician_and_its_refits_know_the_hospitals(hospitals):
    policy = load_policy(hospitals[0] / "behavior" / "policy")
    assert policy.kind == "sited_behavior" and policy.sites.tolist() == [11, 12, 30]
    refits = [load_policy(hospitals[0] / "behavior_refits" / str(k)) for k in range(2)]
    assert all(one.kind == "sited_behavior" for one in refits)
    assert not torch.equal(refits[0].effect[0], refits[1].effect[0])
    doses = torch.arange(25) % 5  # level of norepinephrine
    asked = [(policy.effect[row] * doses).mean() - policy.effect[row].mean() * doses.float().mean() for row in (0, 1)]
    assert asked[0] < asked[1], "who aims higher gives more"


def test_the_clinicians_are_what_was_observed(hospitals):
    clinician = load_report(hospitals[0]).policies["clinician"]
    for name in set(clinician.estimates) - {"simulated_direct_method"}:  # which believes the simulator
        assert clinician.estimates[name].value == pytest.approx(clinician.observed_value.value, abs=1e-9)


def test_the_report_shows_each_hospital_without_small_cells(hospitals):
    sites = load_report(hospitals[0]).sites
    assert sites.told_apart == 3 and sites.spread > 0 and sites.gain.low <= sites.gain.value <= sites.gain.high
    held_out = load_report(hospitals[0]).cohort.splits["held_out"]
    assert sum(one.patients or 0 for one in sites.each) == held_out.patients
    assert all(one.patients is None or one.patients >= 10 for one in sites.each)
    assert sites.each[-1].label == "2 small sites", "a small one takes the next larger one with it"
    assert [one.label for one in sites.each[:-1]] in (["site 11"], ["site 12"])
    page = (hospitals[0] / "report.html").read_text()
    assert "Site by site" in page and "3 sites are told apart" in page


def test_one_hospital_cannot_be_told_apart(small_config, small_run, quiet):
    assert load_report(small_run[1]).sites is None
    assert json.loads((small_run[1] / "behavior" / "policy" / "model.json").read_text())["kind"] == "behavior"
    with pytest.raises(ConfigError, match="behavior.sites"):
        load_config("demo", ["behavior.sites=some"])


def test_what_cannot_be_told_apart_is_said_before_anything_is_learned(quiet, tmp_path):
    config = load_config("demo", ["behavior.sites=true", "cohort.patients=60"])
    with pytest.raises(ValueError, match="at least two known sites"):
        run_experiment(config, tmp_path, console=quiet)
    assert not list(tmp_path.glob("*/simulator*"))
