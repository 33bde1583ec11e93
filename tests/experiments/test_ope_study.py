"""The studies of off-policy evaluation, small: they run, resume, and their summaries say what their cells hold."""

import json
from pathlib import Path

import numpy as np
import pytest
from posology.evaluation.off_policy import CriticConfig, Thresholds
from posology.experiments.sources import clinician, true_treatment
from posology.experiments.stages import write_text
from posology.experiments.studies import (
    accuracy,
    accuracy_summary,
    behaviors,
    calibration,
    cell_files,
    coverage,
    fitted_behavior,
    fitted_behavior_page,
    known_values,
    reference_policies,
    sensitivity,
)
from posology.experiments.studies.problems import PROBLEMS


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    coverage.main(out, replicates=6, largest=100, jobs=1)
    return out


@pytest.mark.parametrize("name", PROBLEMS)
def test_importance_sampling_has_the_true_value_in_expectation(name: str) -> None:
    """The truth of each problem, which is computed in another way than its cohorts."""
    problem = PROBLEMS[name]
    for far in problem.distances[:2]:
        cohort = problem.draw(np.random.default_rng(5), 60_000, far)
        terms = np.exp(cohort.log_ratio.sum(1)) * cohort.reward.sum(1)
        error = terms.std() / 60_000**0.5
        assert terms.mean() == pytest.approx(problem.truth(far), abs=4 * error)
        low, high = problem.ranges(far).get("importance_sampling", (-np.inf, np.inf))
        assert low <= terms.min() and terms.max() <= high


@pytest.mark.parametrize("name", PROBLEMS)
def test_critics_are_consistent(name: str) -> None:
    """v is the target's mean of q, so that doubly robust estimates have the right expectation."""
    problem = PROBLEMS[name]
    cohort = problem.draw(np.random.default_rng(6), 60_000, problem.distances[0])
    gap = np.where(cohort.mask, np.exp(cohort.log_ratio) * cohort.q - cohort.v[:, :-1], 0)
    assert (np.abs(gap.mean(0)) < 4 * gap.std(0) / 60_000**0.5 + 1e-9).all()


def test_coverage_cells_are_kept_and_summarised(cells: Path) -> None:
    files = sorted((cells / "coverage").iterdir())
    before = [f.stat().st_mtime_ns for f in files]
    coverage.main(cells, replicates=6, largest=100, jobs=1)
    assert [f.stat().st_mtime_ns for f in sorted((cells / "coverage").iterdir())] == before
    calibration.main(cells)
    found = json.loads((cells / "coverage.json").read_text())
    rows = [r for r in found["all"] if r["estimator"] == "importance_sampling" and r["method"] == "bootstrap"]
    assert sum(row["cohorts"] for row in rows) == 6 * sum(len(p.distances) for p in PROBLEMS.values())
    assert all(0 <= row["coverage"] <= 1 for row in found["all"])
    assert not [r for r in found["all"] if r["method"] == "hoeffding" and r["estimator"].startswith("weighted")]


def test_the_thresholds_in_use_are_no_laxer_than_the_study_chooses() -> None:
    """On made-up cohorts: only those of small size miss the truth, so the size is what must be asked for."""
    rng = np.random.default_rng(0)
    size = rng.uniform(5, 200, 4000)
    held = np.repeat((rng.random(4000) < np.where(size < 60, 0.5, 0.96))[:, None], len(coverage.NAMES), 1)[..., None]
    held = np.repeat(held, len(coverage.METHODS), 2).astype(float)
    one = calibration.Cohorts("doses", 0.1, 1000, size, np.full(4000, 0.01), np.full(4000, 1.01), held)
    chosen = calibration.choose([one])
    assert chosen[0] in (50.0, 75.0) and calibration.least_coverage([one], chosen)[0] >= calibration.GOAL
    labels = one.labels(Thresholds())
    assert sum(mask.sum() for mask in labels.values()) == 4000
    assert size[labels["not evaluable"]].max() < 20 <= size[labels["weak"]].min()


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(reference_policies, "REFERENCE", 150)
    monkeypatch.setattr(accuracy, "CRITIC", CriticConfig(kind="linear", rounds=1))
    monkeypatch.setattr(behaviors, "REFITS", 2)
    reference_policies.reference.cache_clear()
    yield
    reference_policies.reference.cache_clear()


@pytest.mark.usefixtures("small")
def test_one_cell_of_the_accuracy_study(monkeypatch, tmp_path: Path) -> None:
    cell = accuracy.Cell("sepsis", 60, 0.0, 0, ("true", "logistic"))
    monkeypatch.setattr(accuracy, "cells", lambda name, repeats: [cell])
    accuracy.main(tmp_path, environments="sepsis", true_stays=60, jobs=1)
    content = json.loads((tmp_path / "accuracy" / "sepsis-60-0-0.json").read_text())
    rows = content["rows"]
    policies = {row["policy"] for row in rows}
    assert len(policies) >= 20 and sum(row["blend"] for row in rows) == len(rows) // 2
    assert len(rows) == len(policies) * 2 * len(accuracy.ESTIMATED)
    assert all(row["verdict"] != "supported" for row in rows if row["estimator"] == "direct_method")
    found = accuracy_summary.summary(accuracy_summary.rows_of(tmp_path))
    assert found["cells"] == 1 and found["policies"] == {"sepsis": len(policies)}
    assert {row["share"] for row in found["blends"]} == {"5", "10", "20", "30"}


@pytest.mark.usefixtures("small")
def test_one_cell_of_known_and_fitted_propensities(tmp_path: Path) -> None:
    given = {"environments": "hiv", "repeats": 1, "stays": 60, "true_stays": 100, "jobs": 1}
    fitted_behavior.main(tmp_path, **given)
    path = tmp_path / "fitted_behavior" / "hiv-60-0.json"
    written = path.stat().st_mtime_ns
    fitted_behavior.main(tmp_path, **given)
    assert path.stat().st_mtime_ns == written
    rows = json.loads(path.read_text())
    known = [row for row in rows if row["behavior"] == "true"]
    assert len(known) == len(rows) / 3 == len(fitted_behavior.judged("hiv")) * len(fitted_behavior.ESTIMATED)
    assert all(row["plain"] == row["interval"] and row["before"] == row["verdict"] for row in known)
    logistic = [row for row in rows if row["behavior"] == "logistic" and "weighted" in row["estimator"]]
    assert any(row["gap"] for row in logistic) and any(row["plain"] != row["interval"] for row in logistic)
    page = tmp_path / "page.md"
    fitted_behavior_page.main(tmp_path, page, 60)
    assert page.read_text().count("| network |") >= 2 and "| hiv | 1 |" in page.read_text()


@pytest.mark.usefixtures("small")
def test_true_values_are_those_of_the_same_patients_and_only_new_ones_are_simulated(monkeypatch, tmp_path) -> None:
    first = known_values.known_values(tmp_path, {("propofol", 0.0): ["none"]}, stays=200, jobs=1)
    asked = []
    plain = known_values.rollout_value
    monkeypatch.setattr(known_values, "rollout_value", lambda t, a, *rest: asked.append(a) or plain(t, a, *rest))
    both = known_values.known_values(tmp_path, {("propofol", 0.0): ["none", "random"]}, stays=200, jobs=1)
    found = both["propofol", 0.0]
    assert len(asked) == 2 and found["none"] == first["propofol", 0.0]["none"]  # the clinicians and one new policy
    treatment, none = true_treatment("propofol"), reference_policies.everyone("propofol")["none"]
    paired, other = (plain(treatment, who, 40, 0).value for who in (clinician("propofol", 1.0, 0.0), none))
    assert found["none"][0] - found["clinician"][0] == pytest.approx(other - paired)
    assert known_values.known_values(tmp_path, {("propofol", 0.0): ["none"]}, stays=300, jobs=1) != both


def test_missing_cells_are_filled_in_processes_and_the_others_left(tmp_path: Path) -> None:
    todo = {tmp_path / "cells" / f"{k}.txt": (str(k),) for k in range(3)}
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "1.txt").write_text("kept")
    assert cell_files.fill(write_text, todo, jobs=2, title="cells") == 2
    assert [path.read_text() for path in todo] == ["0", "kept", "2"]
    with pytest.raises(TypeError):
        cell_files.fill(write_text, {tmp_path / "bad.txt": ()}, jobs=1, title="cells")


@pytest.mark.parametrize("environment", accuracy.ENVIRONMENTS)
def test_every_cell_of_the_study_has_its_clinician(environment: str) -> None:
    found = list(accuracy.cells(environment))
    assert len(found) == len({cell.name for cell in found}) >= 6
    for cell in found:
        clinician(environment, 1.0, cell.hidden)


def test_bounds_hold_the_truth_and_hidden_choices_are_seen_by_their_strength() -> None:
    plain, hidden = (sensitivity.check(knob, stays=1500, true_stays=1500) for knob in (0.0, 8.0))
    assert hidden.strength > plain.strength + 1
    assert sensitivity.needed(plain.bounds, plain.truth) in ("1", "1.25", "1.5")
    low, high = hidden.bounds.intervals(draws=100)[-1]
    assert low < hidden.truth < high
    known, blind = (found.upper[-1].value - found.lower[-1].value for found in (hidden.blend, hidden.blind))
    assert known < blind / 2  # what the clinicians go on doing is not in doubt
