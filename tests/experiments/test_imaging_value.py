"""Whether imaging helps: errors drawn like the encoder's, intervals over seeds and patients, courses, probe, study."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from posology.agents.baselines import fixed_policy
from posology.experiments.studies.imaging_arms import CONDITIONS, ReadSizes, core
from posology.experiments.studies.imaging_courses import (
    TRUE_OPACITY,
    TRUE_VOLUME,
    Courses,
    courses,
    film_courses,
    seen_of,
)
from posology.experiments.studies.imaging_dynamics import main as dynamics
from posology.experiments.studies.imaging_errors import squared
from posology.experiments.studies.imaging_probe import fit_probe, probe_errors
from posology.experiments.studies.imaging_reading import EDGES, LEVELS, ErringReading, Reading, measured, reading_of
from posology.experiments.studies.imaging_value import crossed_interval, main
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_imaging import TumorImaging
from posology.patient_models.tumor_memory import recall
from posology.patient_models.tumor_spec import SPEC
from posology.trajectories.rollout import rollout


def test_drawn_errors_are_those_that_were_measured():
    volume = torch.linspace(-1, 1, LEVELS) * torch.linspace(0.1, 1, len(EDGES) + 1)[:, None]
    reading = Reading(volume, 2 * volume, persistent=0.5)
    draw = torch.Generator().manual_seed(0)
    truth = torch.full((40_000,), 1000.0)
    own = torch.randn(20_000, generator=draw).repeat(2)
    error = reading.errors(truth, own, torch.randn(40_000, 2, generator=draw))
    quantiles = torch.quantile(error[:, 0], torch.tensor([0.1, 0.5, 0.9]))
    assert quantiles.tolist() == pytest.approx([-0.8, 0, 0.8], abs=0.02)
    assert torch.quantile(error[:, 1], 0.9).item() == pytest.approx(1.6, abs=0.04)
    first, again = error[:, 0].split(20_000)
    assert torch.corrcoef(torch.stack((first, again)))[0, 1].item() == pytest.approx(0.48, abs=0.03)
    small = reading.errors(torch.full((40_000,), 0.01), own, torch.randn(40_000, 2, generator=draw))
    assert small[:, 0].abs().max() <= 0.1 < error[:, 0].abs().max()


def test_errors_of_the_encoder_are_small_on_large_tumours_and_stay_with_the_patient():
    found = measured(core(ReadSizes(TumorImaging(Tumor(4)))), 60)
    assert found["scans"] > 200 and 0 <= found["persistent"] <= 1
    reading = reading_of(json.loads(json.dumps(found)))
    middle = reading.volume[:, LEVELS // 4 : 3 * LEVELS // 4]
    spread = middle.amax(1) - middle.amin(1)
    assert middle[7].abs().max() < 0.15 and spread.argmax() < 5 and spread[7] < 0.5 * spread.max()
    patient = core(ErringReading(Tumor(1, 0.0, 0.0), reading))
    done = rollout(patient, fixed_policy(2, 10), 50, seed=1, keep_memory=True)
    truth, read = recall(done.memory, "volume")[:, 0], done.trajectories.vitals[:, 0, SPEC.feature("volume")]
    assert 0 < (read / truth).log().abs().median() < 0.15


def test_the_interval_covers_seeds_and_patients():
    draw, covered = np.random.default_rng(0), 0
    for _ in range(300):
        values = draw.normal(0, 1, (3, 1)) + draw.normal(0, 5, 100) + draw.normal(0, 2, (3, 100))
        _, low, high = crossed_interval(values)
        covered += low <= 0 <= high
    assert covered / 300 > 0.93
    alone = crossed_interval(np.arange(10.0)[None])
    assert alone == pytest.approx((4.5, 2.334, 6.666), abs=1e-3)
    assert crossed_interval(np.ones((3, 5))) == (1, 1, 1)


def test_one_seed_is_one_set_of_courses_whatever_the_schedule(tmp_path: Path):
    (_, rare), (_, never) = CONDITIONS[4], CONDITIONS[-1]
    two = [courses(tmp_path, name, 8, 3, plan) for name, plan in (("rare", rare), ("never", never))]
    assert torch.equal(two[0].truth, two[1].truth) and torch.equal(two[0].stays.dose, two[1].stays.dose)
    again = courses(tmp_path, "rare", 8, 3, rare)
    assert torch.equal(again.stays.vitals, two[0].stays.vitals)
    image = [f.source == "image" for f in again.stays.spec.features]
    assert not two[1].stays.seen[:, 1:][:, :, image].any() and two[0].stays.seen[:, 1:][:, :, image].any()
    none, truth = (seen_of(again, arm, TRUE_VOLUME) for arm in ("none", "truth"))
    assert [f.name for f in none.spec.features] == ["neutrophils", "pneumonitis"]
    valid = truth.seen[:, :, 2]
    assert torch.equal(truth.vitals[:, :, 2][valid], again.truth[valid]) and valid[:, :-1].sum() == truth.mask.sum()
    assert torch.equal(none.vitals[:, :, 0], again.stays.vitals[:, :, 0])


def test_a_probe_tells_the_volume_to_a_model_that_sees_it(tmp_path: Path):
    found: Courses = courses(tmp_path, "all", 60, 3, CONDITIONS[-1][1])
    error = {}
    for arm in ("none", "truth"):
        shown = seen_of(found, arm, TRUE_VOLUME)
        model = fit_lstm(shown, shown, LSTMConfig(members=1, hidden=16, epochs=1), seed=0)
        probe = fit_probe(model, shown, found.truth.log(), 1, 3, 1)
        square, count = probe_errors(probe, model, shown, found.truth.log(), 1, 3, 1)
        error[arm] = squared([[square.tolist(), count.tolist()]])
        assert error[arm].mean() == pytest.approx(square.sum() / count.sum())
    assert error["truth"].mean() < 0.25 * error["none"].mean()


def test_the_study_runs_and_goes_on_where_it_was(tmp_path: Path):
    small = {"docs": tmp_path / "docs", "work": tmp_path / "work", "steps": 1, "seeds": 1, "patients": 2, "many": 4}
    main(**small)
    page = (tmp_path / "docs" / "imaging.md").read_text()
    assert page.count("| what the encoder reads |") == len(CONDITIONS) and "| PPO, true volume |" in page
    assert (tmp_path / "docs" / "figures" / "imaging_value.png").stat().st_size > 10_000
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.json")}
    main(**small)
    assert kept == {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.json")}
    assert (tmp_path / "docs" / "imaging.md").read_text() == page


def test_films_show_the_opacity_and_the_truth_stands_in_their_place(tmp_path: Path):
    found = film_courses(tmp_path, "films", 40, 3)
    again = film_courses(tmp_path, "films", 40, 3)
    assert torch.equal(found.truth, again.truth)
    film, seen = (getattr(found.stays, n)[:, :, found.stays.spec.feature("film")] for n in ("vitals", "seen"))
    assert (film[seen] - found.truth[seen]).abs().median() < 0.03
    truth = seen_of(found, "truth", TRUE_OPACITY)
    assert truth.spec.features[-1].name == "film" and [f for f in truth.spec.features if f.source == "image"] == []
    assert truth.seen[:, :-1, -1][truth.mask].all()


@pytest.mark.slow
def test_the_study_of_dynamics_runs_and_goes_on_where_it_was(tmp_path: Path):
    small = {"docs": tmp_path / "docs", "work": tmp_path / "work", "patients": 20, "held_out": 5, "seeds": 1}
    dynamics(**small, epochs=1, only="")
    page = (tmp_path / "docs" / "imaging.md").read_text()
    assert page.count("| what the encoder reads |") == 2 * len(CONDITIONS) + 2
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.json")}
    dynamics(**small, epochs=1, only="")
    assert kept == {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.json")}
    assert (tmp_path / "docs" / "imaging.md").read_text() == page
