import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Feature, PatientState, Spec, Trajectories
from posology.evaluation.fidelity import (
    compared,
    fidelity,
    outcome_calibration,
    outcome_scores,
    simulator_report,
)
from posology.evaluation.fidelity_forecasts import Errors, _crps, forecast_errors
from posology.evaluation.report import SimulatorReport
from posology.trajectories.carry import pad
from scipy import stats

SPEC = Spec(
    features=(Feature("x", "", -1000.0, 1000.0, (-1.0, 1.0)), Feature("y", "", -1000.0, 1000.0, (-1.0, 1.0))), drugs=()
)
SD, RISK = 0.1, 0.05  # of each step's change, and of dying at each step


@dataclass(frozen=True)
class Walk:
    """A random walk that knows itself, but for a `bias` in every step's mean."""

    bias: float = 0.0
    spec: Spec = SPEC
    noise_dim: int = 3
    admit_noise_dim: int = 2
    fixed_hours: float | None = None

    def admit(self, context, noise):
        raise NotImplementedError

    def resume(self, stays):
        rows, steps = stays.vitals.shape[:2]
        blank, drugs = torch.zeros(rows * steps), torch.zeros(rows * steps, 0)
        return PatientState(
            vitals=stays.vitals.flatten(0, 1),
            seen=stays.seen.flatten(0, 1),
            age=stays.age.flatten(0, 1),
            memory=drugs,
            belief=drugs,
            context=drugs,
            hours=blank,
            last_dose=drugs,
            total_dose=drugs,
            outcome=blank.long(),
        )

    def forecast(self, state, dose, hours):
        same = torch.ones_like(state.vitals)
        risk = torch.tensor([0.0, RISK]).expand(len(state), 2)
        return state.vitals + self.bias, SD * same, same, risk

    def step(self, state, dose, hours, noise):
        dies = torch.special.ndtr(noise[:, 2]) < RISK
        after = state.vitals + self.bias + SD * noise[:, :2]
        return state.replace(vitals=after, outcome=torch.where(dies & (state.outcome == 0), 2, state.outcome))


def walks(stays=800, steps=6, seed=0):
    """Recorded random walks; the second feature is measured half the time, the first always."""
    g = torch.Generator().manual_seed(seed)
    vitals = (SD * torch.randn(stays, steps + 1, 2, generator=g)).cumsum(1)
    died = torch.rand(stays, steps, generator=g) < RISK
    length = torch.where(died.any(1), died.int().argmax(1) + 1, steps)
    mask = torch.arange(steps) < length[:, None]
    seen = torch.ones_like(vitals, dtype=torch.bool)
    seen[:, :, 1] = torch.rand(stays, steps + 1, generator=g) < 0.5
    return pad(
        Trajectories(
            spec=SPEC,
            vitals=vitals,
            seen=seen,
            age=torch.zeros_like(vitals),
            context=torch.zeros(stays, 0),
            dose=torch.zeros(stays, steps, 0),
            hours=torch.full((stays, steps), 4.0),
            mask=mask,
            outcome=torch.where(died.any(1), 2, 0),
            subject=torch.arange(stays) // 2,
            site=torch.zeros(stays, dtype=torch.int64),
        )
    )


@pytest.fixture(scope="module")
def stays():
    return walks()


def test_errors_of_the_true_model_are_its_noise(stays):
    found = forecast_errors(Walk(), stays, (1, 2, 4), copies=64)
    for k, errors in found.items():
        bits = 0.5 * math.log(2 * math.pi * math.e)
        assert np.allclose(errors.rmse, SD * math.sqrt(k), rtol=0.05)
        assert np.allclose(errors.nll, math.log(SD * math.sqrt(k)) + bits, atol=0.06)


def test_transforms_of_the_true_model_are_uniform_and_those_of_a_biased_one_lean(stays):
    for k, errors in forecast_errors(Walk(), stays, (1, 4), copies=64).items():
        assert errors.transforms.shape == (2, 10) and np.allclose(errors.transforms.sum(1), 1), k
        assert np.abs(errors.transforms - 0.1).max() < 0.03
    biased = forecast_errors(Walk(0.1), stays)[1].transforms
    assert (biased[:, 0] > 0.2).all() and (biased[:, 9] < 0.06).all()


def test_only_what_was_measured_of_the_living_counts(stays):
    errors = forecast_errors(Walk(), stays)[1]
    observed = stays.mask.clone()
    ends = torch.arange(6) == stays.length[:, None] - 1
    observed &= ~(ends & (stays.outcome == 2)[:, None])
    expected = (stays.seen[:, 1:] & observed[:, :, None]).sum((0, 1))
    assert errors.count.sum(0).tolist() == expected.tolist()
    spoiled = stays.replace(vitals=torch.where(stays.seen, stays.vitals, 5.0))
    assert np.array_equal(errors.square[:, 0], forecast_errors(Walk(), spoiled)[1].square[:, 0])


def test_blocks_change_nothing(stays, monkeypatch):
    whole = forecast_errors(Walk(0.05), stays, (1, 3), copies=4, every=2)
    monkeypatch.setattr("posology.evaluation.fidelity_forecasts._BLOCK", 100)
    parts = forecast_errors(Walk(0.05), stays, (1, 3), copies=4, every=2)
    for k in (1, 3):
        assert np.array_equal(whole[k].transforms, parts[k].transforms)
        assert np.allclose(whole[k].square, parts[k].square)
        assert np.array_equal(whole[k].risk, parts[k].risk) and np.array_equal(whole[k].died, parts[k].died)


def test_risks_within_a_horizon_are_calibrated(stays):
    for k, errors in forecast_errors(Walk(), stays, (1, 3), copies=32).items():
        assert math.isclose(errors.risk.mean(), 1 - (1 - RISK) ** k, rel_tol=0.02)
        assert math.isclose(errors.died.mean(), 1 - (1 - RISK) ** k, abs_tol=0.02)


def test_a_bias_is_found_with_its_interval(stays):
    true, biased = (forecast_errors(Walk(bias), stays)[1] for bias in (0.0, 0.1))
    found = compared("1", ("true", true), ("biased", biased))
    expected = SD - math.sqrt(SD**2 + 0.1**2)
    assert found.low < expected < found.high < 0
    assert found.high - found.low < 0.2 * abs(expected)
    itself = compared("1", ("true", true), ("true", true))
    assert itself.low == itself.difference == itself.high == 0


def test_resamples_without_the_few_who_were_measured_are_left_out(stays):
    """Far ahead few are left, and a bootstrap sample may hold none of them."""

    def only_one(errors):
        mine = np.arange(len(errors.count))[:, None] == 0
        return dataclasses.replace(errors, count=errors.count * mine, square=errors.square * mine)

    true, biased = (only_one(forecast_errors(Walk(bias), stays)[1]) for bias in (0.0, 0.1))
    found = compared("1", ("true", true), ("biased", biased))
    assert found.low == pytest.approx(found.difference) == pytest.approx(found.high) and found.difference != 0


def test_errors_on_other_stays_are_not_compared(stays):
    one, other = (forecast_errors(Walk(), part)[1] for part in (stays, walks(seed=1)))
    with pytest.raises(ValueError, match="other stays"):
        compared("1", ("a", one), ("b", other))


def errors_of(risk, died):
    nothing = np.zeros((1, 1))
    risks = np.array(risk), np.array(died), np.zeros(len(risk))
    return Errors(("x",), np.zeros(1), *[nothing] * 4, np.zeros((1, 2)), *risks)


def test_outcome_scores_by_hand():
    scores = outcome_scores(errors_of([0.1, 0.4, 0.4, 0.8], [0.0, 0.0, 1.0, 1.0]))
    assert scores["AUROC"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)  # a tie counts half
    assert scores["Brier score"] == pytest.approx((0.01 + 0.16 + 0.36 + 0.04) / 4)
    assert scores["deaths predicted per death"] == pytest.approx(1.7 / 2)
    assert outcome_scores(errors_of([0.1, 0.2], [0.0, 0.0]))["AUROC"] is None


def test_calibration_bins_hold_every_forecast_once():
    risk = np.linspace(0, 1, 1000)
    died = (np.random.default_rng(0).random(1000) < risk).astype(float)
    bins = outcome_calibration(errors_of(risk, died))
    assert sum(b.count for b in bins) == 1000 and len(bins) == 10
    assert all(b.low <= b.observed <= b.high for b in bins)
    assert sum(b.low <= b.predicted <= b.high for b in bins) >= 8
    assert outcome_calibration(errors_of([], [])) == ()


def test_the_report_says_it_all_and_survives_json(stays):
    found = fidelity({"good": Walk(), "bad": Walk(0.1)}, stays, ahead=(2, 4, 18))
    report = simulator_report(found, "good", kind="random walk")
    assert SimulatorReport.model_validate_json(report.model_dump_json()) == report
    assert {(r.model, r.decisions) for r in report.open_loop} == {(m, k) for m in ("good", "bad") for k in (2, 4)}
    assert [c.metric for c in report.comparisons] == [
        f"nRMSE, {k}" for k in ("1 decision ahead", "2 decisions ahead", "4 decisions ahead")
    ]
    assert all(c.high < 0 for c in report.comparisons)


def test_wrong_use_is_said(stays):
    with pytest.raises(ValueError, match="at least 1"):
        forecast_errors(Walk(), stays, (0,))
    with pytest.raises(ValueError, match="no stays"):
        forecast_errors(Walk(), stays.rows(torch.arange(0)))
    other = Spec(features=SPEC.features[:1], drugs=())
    with pytest.raises(ValueError, match="differ in their features"):
        forecast_errors(Walk(spec=other), stays)


def test_crps_and_coverage_of_a_known_normal():
    """A standard normal forecast of 0: CRPS = sqrt(2 / pi) - 1 / sqrt(pi); by quadrature elsewhere."""
    z = torch.tensor([[0.0, 1.3, -2.0]], dtype=torch.float64)
    sd = torch.tensor([[1.0, 0.7, 2.0]], dtype=torch.float64)
    found = _crps(z, sd)[0]
    assert float(found[0]) == pytest.approx(np.sqrt(2 / np.pi) - 1 / np.sqrt(np.pi), abs=1e-9)
    grid = np.linspace(-40, 40, 400_001)
    for i in range(3):
        y = float(z[0, i] * sd[0, i])
        gap = stats.norm.cdf(grid / float(sd[0, i])) - (grid >= y)
        assert float(found[i]) == pytest.approx(np.trapezoid(gap**2, grid), abs=1e-3)
