"""The study across hospitals: its page says no more than its numbers, and simulated hospitals go through it."""

import json

import pytest
import torch
from posology.experiments.sources import clinician, true_treatment
from posology.experiments.studies import cross_hospital
from posology.experiments.studies.cross_hospital_page import write_page
from posology.trajectories.rollout import rollout


@pytest.fixture(scope="module")
def found():
    home, away = (
        rollout(true_treatment("sepsis"), clinician("sepsis", knob, 0.0), 60, seed=seed).trajectories
        for knob, seed in ((1.0, 0), (4.0, 10**7))
    )
    home = home.replace(subject=torch.arange(60))
    original = cross_hospital.model
    try:
        cross_hospital.model = lambda name: original(
            "linear" if name == "lstm" else name
        )  # quick, and no better than it
        return cross_hospital.tested(home, away, 0)
    finally:
        cross_hospital.model = original


def test_a_model_never_beats_itself(found):
    for place in ("home", "away"):
        rows = [r for r in found[place]["compared"] if r["against"] == "linear"]
        assert rows and all(r["difference"] == r["low"] == r["high"] == 0 for r in rows)
    assert found["away"]["patients"] == 60 and len(found["features"]) == 12


def test_the_page_counts_intervals_as_they_are(found, tmp_path):
    run = {"home_name": "A", "away_name": "B", "seed": 0, **found}
    text = write_page({"A to B, seed 0": run}, tmp_path).read_text()
    assert "A to B, against linear: at home 0 of 3 intervals favour it and 0 disfavour it" in text
    assert (tmp_path / "figures" / "cross_hospital.png").stat().st_size > 10_000
    assert text.count("| 0 | 1 decision |") == 2


def test_what_is_there_is_not_done_again(found, tmp_path, monkeypatch):
    results = tmp_path / "docs" / "results" / "x.json"
    results.parent.mkdir(parents=True)
    keys = [f"{a} to {b}, seed 0" for a, b in (("MIMIC-IV", "eICU"), ("eICU", "MIMIC-IV"))]
    results.write_text(json.dumps({key: {"seed": 0} for key in keys}))
    monkeypatch.setattr(cross_hospital, "read_trajectories", lambda *_: pytest.fail("read again"))
    assert set(cross_hospital.study(results, 1)) == set(keys)
