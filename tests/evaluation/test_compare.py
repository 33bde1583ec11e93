import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from posology.evaluation.compare import Comparison, compare, compare_runs
from posology.evaluation.run_arrays import load_arrays, save_arrays
from posology.evaluation.style import signed

STAYS, DECISIONS, TRUE = 300, 4, 400
SUBJECT = np.repeat(np.arange(STAYS // 2), 2) + 7
RETURNS = np.random.default_rng(1).random(STAYS)
WIS = "weighted_importance_sampling"


@dataclass(frozen=True)
class Ratios:
    num: np.ndarray
    den: np.ndarray
    weight: np.ndarray | None
    shifts: np.ndarray | None = None


def ratios(seed):
    weight = np.exp(np.random.default_rng(seed).normal(0, 0.3, (STAYS, DECISIONS)))
    return {
        WIS: Ratios(weight[:, -1:] * RETURNS[:, None], weight[:, -1:], weight),
        "importance_sampling": Ratios(weight[:, -1:] * RETURNS[:, None], np.ones((STAYS, 1)), weight),
    }


def write_run(folder, report, seed, *, subject=SUBJECT, true_seed=None):
    folder.mkdir()
    report.save(folder)
    rng = np.random.default_rng(seed if true_seed is None else true_seed)
    estimates = {name: ratios(100 * seed + i) for i, name in enumerate(report.policies)}
    true = {name: rng.random(TRUE) for name in report.policies} if report.truth else None
    save_arrays(folder, subject=subject, observed=RETURNS, estimates=estimates, true_returns=true)
    return folder


@pytest.fixture
def report(examples):
    return examples.known_truth()


@pytest.fixture
def runs(tmp_path, report):
    other = report.model_copy(update={"name": "other", "config_hash": "b" * 12})
    return [write_run(tmp_path / "a", report, 1), write_run(tmp_path / "b", other, 2)]


def difference(comparison, policy):
    (found,) = [d for d in comparison.differences if d.policy == policy]
    return found


def test_arrays_round_trip(tmp_path):
    written = {"ppo": ratios(1)}
    moved = next(iter(written["ppo"]))
    written["ppo"][moved] = replace(written["ppo"][moved], shifts=np.array([-0.1, 0.1]))
    save_arrays(tmp_path, subject=SUBJECT, observed=RETURNS, estimates=written, true_returns={"ppo": np.arange(3.0)})
    read = load_arrays(tmp_path)
    assert np.array_equal(read.subject, SUBJECT) and np.array_equal(read.observed, RETURNS)
    for name, one in written["ppo"].items():
        assert np.array_equal(read.num["ppo"][name], one.num) and np.array_equal(read.den["ppo"][name], one.den)
    assert read.true_return["ppo"].tolist() == [0, 1, 2]
    assert {name: list(shift) for name, shift in read.shift["ppo"].items()} == {moved: [-0.1, 0.1]}


def test_arrays_of_another_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ppo/.*expected 299 rows"):
        save_arrays(tmp_path, subject=SUBJECT[1:], observed=RETURNS[1:], estimates={"ppo": ratios(1)})
    assert not list(tmp_path.iterdir())


def test_differences_are_those_of_the_values(runs):
    found = difference(compare(runs), "ppo")
    a, b = (load_arrays(run) for run in runs)
    for name in found.estimates:
        values = [(r.num["ppo"][name].sum(0) / r.den["ppo"][name].sum(0)).sum() for r in (a, b)]
        assert found.estimates[name].value == pytest.approx(values[1] - values[0])
    assert found.true.value == pytest.approx((b.true_return["ppo"] - a.true_return["ppo"]).mean())


def test_intervals_resample_patients_in_both_runs_together(runs):
    """Against a plain loop over resampled patients."""
    found = difference(compare(runs), "ppo").estimates[WIS]
    a, b = (load_arrays(run) for run in runs)
    rng, drawn = np.random.default_rng(3), []
    patients = np.unique(SUBJECT)
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(p == SUBJECT) for p in rng.choice(patients, len(patients))])
        values = [r.num["ppo"][WIS][rows].sum() / r.den["ppo"][WIS][rows].sum() for r in (a, b)]
        drawn.append(values[1] - values[0])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.15 * (high - low))
    assert found.high == pytest.approx(high, abs=0.15 * (high - low))


def test_swapping_runs_changes_the_sign(runs):
    there, back = (difference(compare(pair), "blend_10") for pair in (runs, runs[::-1]))
    assert there.estimates[WIS].value == pytest.approx(-back.estimates[WIS].value)
    assert there.estimates[WIS].low == pytest.approx(-back.estimates[WIS].high, abs=1e-3)
    assert there.true.low == pytest.approx(-back.true.high)


def test_a_run_does_not_differ_from_its_copy(tmp_path, report):
    copies = [write_run(tmp_path / name, report, 1) for name in "ab"]
    for d in compare(copies).differences:
        for interval in (*d.estimates.values(), d.true):
            assert (interval.value, interval.low, interval.high) == pytest.approx((0, 0, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohort": {"fingerprint": "f" * 64}}, "different cohorts"),
        ({"estimand": {"discount": 0.9}}, r"different things \(discount: 1\.0 and 0\.9\)"),
        ({"estimand": {"horizon_decisions": 6}}, "horizon_decisions: 18 and 6"),
    ],
)
def test_other_cohorts_and_estimands_are_refused(tmp_path, report, change, message):
    ((part, fields),) = change.items()
    other = report.model_copy(update={part: getattr(report, part).model_copy(update=fields)})
    folders = [write_run(tmp_path / "a", report, 1), write_run(tmp_path / "b", other, 2)]
    with pytest.raises(ValueError, match=message):
        compare_runs(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_wording_of_the_estimand_is_not_another_estimand(tmp_path, report):
    other = report.model_copy(update={"estimand": report.estimand.model_copy(update={"text": "Else put."})})
    assert compare([write_run(tmp_path / "a", report, 1), write_run(tmp_path / "b", other, 2)]).differences


def test_other_splits_and_lone_runs_are_refused(tmp_path, report, runs):
    odd = write_run(tmp_path / "odd", report, 3, subject=SUBJECT + 1)
    with pytest.raises(ValueError, match="held out different stays"):
        compare([runs[0], odd])
    with pytest.raises(ValueError, match="two or more different run folders"):
        compare([runs[0]])
    with pytest.raises(ValueError, match="two or more different run folders"):
        compare([runs[0], runs[0]])
    with pytest.raises(FileNotFoundError, match=r"report\.json"):
        compare([runs[0], tmp_path])


def test_true_values_of_other_patients_are_not_paired(tmp_path, report, runs):
    other = report.model_copy(update={"truth": report.truth.model_copy(update={"seed": 99})})
    comparison = compare([runs[0], write_run(tmp_path / "c", other, 3)])
    assert all(d.true is None for d in comparison.differences)
    assert any("not paired" in note for note in comparison.notes)


def test_files_hold_the_comparison_and_hide_what_is_not_evaluable(tmp_path, runs):
    path = compare_runs(runs, tmp_path / "out")
    assert path.name == "comparison.html"
    comparison = Comparison.model_validate_json((tmp_path / "out" / "comparison.json").read_text())
    assert comparison == compare(runs)
    text = path.read_text()
    assert "<script" not in text and "http" not in text
    assert "blend_10" in {d.policy for d in comparison.differences}


def test_a_page_of_records_that_carry_nothing_prints_no_difference(tmp_path, examples):
    report = examples.records()
    other = report.model_copy(update={"config_hash": "c" * 12})
    folders = [write_run(tmp_path / "a", report, 1), write_run(tmp_path / "b", other, 2)]
    text = compare_runs(folders, tmp_path / "out").read_text()
    assert "No policy can be compared on these records" in text
    for d in compare(folders).differences:
        assert d.true is None and set(d.verdicts.values()) == {"not evaluable"}
        for interval in d.estimates.values():
            assert signed(interval.value * 100, 1) not in text


def test_policies_that_only_one_run_has_are_named(tmp_path, report, runs):
    fewer = {name: p for name, p in report.policies.items() if name != "blend_30"}
    other = report.model_copy(update={"policies": fewer})
    comparison = compare([runs[0], write_run(tmp_path / "c", other, 3)])
    assert comparison.unpaired == ("blend_30",)
    assert "blend_30" not in {d.policy for d in comparison.differences}


def test_the_worse_verdict_counts(tmp_path, report, runs):
    path = runs[1] / "report.json"
    tree = json.loads(path.read_text())
    tree["policies"]["blend_10"]["estimates"][WIS]["verdict"] = "weak"
    path.write_text(json.dumps(tree))
    assert difference(compare(runs), "blend_10").verdicts[WIS] == "weak"
