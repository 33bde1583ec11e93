"""The tumour benchmark against the published population, equations and rates."""

import functools
import math

import numpy as np
import pytest
import torch
from posology.contracts import DIED, DISCHARGED, PatientState
from posology.patient_models.simulate import Course, follow
from posology.patient_models.tumor_benchmark import DAY, DECISIONS, SPEC, BenchmarkMemory, TumorBenchmark
from posology.patient_models.tumor_benchmark_clinician import BenchmarkClinician
from posology.patient_models.tumor_growth import DEATH_VOLUME
from posology.patient_models.tumor_population import draw_traits
from scipy.stats import truncnorm
from torch import Tensor

PATIENTS = 4000
MODEL = TumorBenchmark()


class Always:
    """The same treatment every day."""

    noise_dim = 0

    def __init__(self, units: float, gray: float) -> None:
        self.given = torch.tensor((units, gray))

    def dose(self, state: PatientState, noise: Tensor) -> Tensor:
        return self.given.expand(len(state), -1)

    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor:
        return torch.zeros(len(dose))


@functools.cache
def under(gamma: float) -> Course:
    return follow(MODEL, MODEL.clinician(gamma), PATIENTS, decisions=DECISIONS, hours=DAY)


def ends(course: Course) -> tuple[float, float]:
    """Shares that died and were cured."""
    return tuple((course.outcome == fate).float().mean().item() for fate in (DIED, DISCHARGED))


def rejected(rows: int) -> np.ndarray:
    """Alpha and rho (rows, 2) drawn as the literature does: until both are positive."""
    rng = np.random.default_rng(0)
    sd = np.array((0.168, 7.23e-3))
    drawn = rng.multivariate_normal((0.0398, 7e-5), np.outer(sd, sd) * ((1, 0.87), (0.87, 1)), 4 * rows)
    return drawn[(drawn > 0).all(1)][:rows]


def test_traits_follow_the_truncated_distributions() -> None:
    rows = 40_000
    traits = draw_traits(torch.randn(rows, 6, generator=torch.Generator().manual_seed(0)))
    alpha = traits.alpha - 0.00398 * (traits.kind == 1)
    theirs = rejected(rows)
    shares = np.linspace(0.05, 0.95, 10)
    for ours, reference in ((alpha, theirs[:, 0]), (traits.growth, theirs[:, 1])):
        np.testing.assert_allclose(np.quantile(ours, shares), np.quantile(reference, shares), rtol=0.06)
    correlation = np.corrcoef(theirs.T)[0, 1]
    assert np.corrcoef(alpha, traits.growth)[0, 1] == pytest.approx(correlation, abs=0.02)
    assert traits.chemosensitivity.mean().item() == pytest.approx(0.028 + 0.0028 / 3, rel=0.01)
    for stage, (mean, sd, most) in enumerate(((1.72, 4.70, 5.0), (1.96, 1.63, 13.0))):
        low, high = (math.log(0.3) - mean) / sd, (math.log(most) - mean) / sd
        expected = np.exp(truncnorm(low, high, mean, sd).ppf((0.25, 0.5, 0.75)))
        mine = traits.diameter[traits.stage == stage]
        np.testing.assert_allclose(np.quantile(mine, (0.25, 0.5, 0.75)), expected, rtol=0.12)
    share = [(traits.stage == stage).float().mean().item() for stage in range(5)]
    np.testing.assert_allclose(share, np.array((1432, 128, 1306, 7248, 12840)) / 22954, atol=0.008)


def test_days_follow_the_published_equation() -> None:
    state = MODEL.admit(None, torch.randn(50, MODEL.admit_noise_dim, generator=torch.Generator().manual_seed(1)))
    rng, memory = np.random.default_rng(2), BenchmarkMemory.unpack(state.memory.double())
    volume, left = memory.volume.numpy(), np.zeros(50)
    for _ in range(6):
        units, gray, noise = rng.integers(0, 2, 50), 2 * rng.integers(0, 2, 50), rng.normal(size=50)
        alpha, rho, chemo = (m.numpy() for m in (memory.alpha, memory.growth, memory.chemosensitivity))
        given = left + 5 * units
        killed = chemo * given + alpha * gray + alpha / 10 * gray**2
        volume = volume * (1 + rho * np.log(np.pi * 30**3 / 6 / volume) - killed + 0.01 * noise)
        volume, left = np.clip(volume, 1e-6, DEATH_VOLUME), given * math.exp(-math.log(2))
        dose = torch.tensor(np.stack((units, gray), 1), dtype=torch.float32)
        z = torch.tensor(np.stack((noise, np.full(50, 9.0)), 1), dtype=torch.float32)  # nobody is cured
        state = MODEL.step(state, dose, torch.full((50,), DAY), z)
    kept = volume > 1e-3
    np.testing.assert_allclose(state.vitals[kept, 0], volume[kept], rtol=2e-3)
    assert kept.sum() > 30


@pytest.mark.parametrize("gamma", [0.0, 2.0, 10.0])
def test_hardly_anybody_dies_under_the_clinician(gamma: float) -> None:
    assert ends(under(gamma))[0] <= 0.004  # .001 to .002 measured on the published code


def test_a_ninth_dies_untreated_and_daily_treatment_cures() -> None:
    died, cured = ends(follow(MODEL, Always(0, 0), PATIENTS, decisions=DECISIONS, hours=DAY))
    assert died == pytest.approx(0.114, abs=3 * (2 * 0.114 * 0.886 / PATIENTS) ** 0.5) and cured == 0
    died, cured = ends(follow(MODEL, Always(1, 2), PATIENTS, decisions=DECISIONS, hours=DAY))
    assert cured == pytest.approx(0.925, abs=3 * (2 * 0.925 * 0.075 / PATIENTS) ** 0.5) and died == 0


def test_overlap_collapses_as_gamma_grows() -> None:
    def treated(gamma: float) -> Tensor:
        visited = [torch.sigmoid(MODEL.clinician(gamma).log_odds(s))[s.outcome == 0] for s in under(gamma).states]
        return torch.cat(visited).quantile(torch.tensor((0.05, 0.95)))

    assert torch.equal(treated(0.0), torch.tensor((0.5, 0.5)))
    low, high = treated(10.0).tolist()
    assert low == pytest.approx(0.01, abs=0.005) and 0.1 < high < 0.25
    assert treated(2.0)[0] > 0.2


def test_the_clinician_looks_back_on_the_last_fifteen_days() -> None:
    course = follow(MODEL, Always(0, 0), 20, decisions=30, hours=DAY)
    noise = torch.zeros(20, MODEL.admit_noise_dim)
    assert BenchmarkMemory.unpack(MODEL.admit(None, noise).memory).days[0] == 1
    diameters = torch.stack([(s.vitals[:, 0] * 6 / math.pi) ** (1 / 3) for s in course.states], 1)
    expected = (diameters[:, 15:30].mean(1) - 6.5) / 13  # at t = 30: the fifteen before it
    assert torch.allclose(BenchmarkClinician(1.0).log_odds(course.states[30]), expected, atol=1e-5)


def test_propensities_are_exact() -> None:
    state, clinician = under(2.0).states[20].rows(torch.full((20_000,), 3)), MODEL.clinician(2.0, 0.5)
    dose = clinician.dose(state, torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)))
    for units in (0.0, 1.0):
        for gray in (0.0, 2.0):
            given = torch.tensor((units, gray))
            share = (dose == given).all(1).float().mean()
            expected = clinician.log_prob(state.rows(torch.tensor([0])), given[None]).exp()
            assert abs(share - expected.item()) < 0.012


def test_given_types_are_kept() -> None:
    context = torch.tensor((1.0, 2.0, 3.0)).repeat(10)[:, None]
    noise = torch.randn(1, MODEL.admit_noise_dim, generator=torch.Generator().manual_seed(3)).expand(30, -1)
    memory = BenchmarkMemory.unpack(MODEL.admit(context, noise).memory)
    assert (memory.alpha[:3] - memory.alpha[1]).tolist() == pytest.approx([0.00398, 0, 0], abs=1e-6)
    chemo = memory.chemosensitivity
    assert (chemo[:3] - chemo[1]).tolist() == pytest.approx([0, 0, 0.0028], abs=1e-6)
    assert SPEC.outcomes[1] == "cured"
