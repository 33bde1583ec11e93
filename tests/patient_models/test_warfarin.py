"""The warfarin patient: published parameters, dose-response, clinics' time in range, and the integrator."""

import dataclasses
import functools
import math

import numpy as np
import pytest
import torch
from posology.contracts import Clinician, PatientState
from posology.envs.dose_treatment import DoseTreatment
from posology.patient_models import warfarin_dynamics
from posology.patient_models.warfarin import Warfarin
from posology.patient_models.warfarin_memory import COLUMN, WarfarinMemory, recall
from posology.patient_models.warfarin_population import HAMBERG, HAN, draw_genotype, typical
from posology.patient_models.warfarin_rules import Titration
from posology.patient_models.warfarin_spec import CYP2C9, DAY, SPEC, VKORC1
from posology.patient_models.warfarin_visits import SHORTEST, clinic_visits
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import Rollout, rollout
from scipy.integrate import solve_ivp

SURE = {"variability": 0.0, "sway": 0.0, "missed": 0.0, "noise_sd": 0.0, "events": False}
AS_PUBLISHED = dataclasses.replace(HAMBERG, half_effect_scale=1.0, baseline=(1.0, 0.0))


def typical_state(model: Warfarin, cyp2c9: str = "*1/*1", vkorc1: str = "G/G", rows: int = 1, age: float = 65.0):
    """Typical patients of 80 kg and 170 cm before their first tablet."""
    person = [age, 80.0, 170.0, 0.0, 0.0, 0.0, float(CYP2C9.index(cyp2c9)), float(VKORC1.index(vkorc1))]
    return model.admit(torch.tensor([person]).expand(rows, -1), torch.zeros(rows, model.admit_noise_dim))


def given(model: Warfarin, state: PatientState, dose: torch.Tensor, *days: float) -> PatientState:
    """After steps of so many days each, without noise."""
    for span in days:
        duration = torch.full_like(state.hours, span * DAY)
        state = model.step(state, dose[:, None], duration, torch.zeros(len(state), model.noise_dim))
    return state


def needed(model: Warfarin, cyp2c9: str, vkorc1: str) -> float:
    """Dose (mg/d) at which the INR settles at 2.5."""
    dose = torch.linspace(0.2, 16, 159)
    settled = given(model, typical_state(model, cyp2c9, vkorc1, len(dose)), dose, *[28.0] * 5)
    return float(np.interp(2.5, recall(settled.memory, "inr").numpy(), dose.numpy()))


def test_clearance_and_half_effect_are_those_published() -> None:
    """Hamberg et al. (2010): .174, .0879 and .0422 L/h per allele at 71 years, .00571 less a year; EC50 2.05, .96."""
    person = torch.tensor([[71.0, 80, 170, 0, 0, 0]]).expand(18, -1)
    genotype = torch.cartesian_prod(torch.arange(6.0), torch.arange(3.0))
    clearance, half = typical(AS_PUBLISHED, person, genotype)
    alleles = torch.tensor([0.348, 0.2619, 0.2162, 0.1758, 0.1301, 0.0844])
    assert torch.allclose(clearance, alleles.repeat_interleave(3), atol=1e-6)
    assert torch.allclose(half, torch.tensor([4.10, 3.01, 1.92]).repeat(6))
    older, _ = typical(AS_PUBLISHED, person + torch.tensor([10.0, 0, 0, 0, 0, 0]), genotype)
    assert torch.allclose(older, clearance * (1 - 0.0571))  # the old clear less, and need less


@pytest.mark.parametrize(
    ("cyp2c9", "vkorc1", "dose"),
    [
        ("*1/*1", "G/G", 8.1),
        ("*1/*1", "A/G", 5.9),
        ("*1/*1", "A/A", 3.8),
        ("*1/*3", "G/G", 5.0),
        ("*3/*3", "A/A", 0.91),
    ],
)
def test_dose_for_an_inr_of_2_5_by_genotype(cyp2c9: str, vkorc1: str, dose: float) -> None:
    """As computed for the published parameters at 65 years; the scale of EC50 moves them to those of patients."""
    assert needed(Warfarin(population=AS_PUBLISHED, **SURE), cyp2c9, vkorc1) == pytest.approx(dose, rel=0.04)


def test_scaled_doses_are_near_those_of_the_pharmacogenetic_equation() -> None:
    """IWPC (2009) for 65 y, 170 cm, 80 kg: 6.1, 4.6, 3.35 and 4.5 mg/d."""
    pairs = [("*1/*1", "G/G", 6.1), ("*1/*1", "A/G", 4.6), ("*1/*1", "A/A", 3.35), ("*1/*3", "G/G", 4.5)]
    ratios = [needed(Warfarin(**SURE), cyp, vkorc) / dose for cyp, vkorc, dose in pairs]
    assert all(0.8 < ratio < 1.1 for ratio in ratios)


def test_steady_state_is_where_input_equals_loss() -> None:
    model = Warfarin(**SURE)
    dose = torch.tensor([2.0, 5.0, 10.0])
    memory = given(model, typical_state(model, rows=3), dose, *[28.0] * 4).memory
    m = WarfarinMemory.unpack(memory)
    clearance = m.elimination * m.volume
    average = (dose * HAMBERG.active / DAY / clearance)[0]  # mg/L, of the S enantiomer
    trough = m.amounts[1] / m.volume[0]
    assert (trough < average).all() and (trough > 0.7 * average).all()
    effect = average**HAMBERG.hill / (average**HAMBERG.hill + m.half_effect[0] ** HAMBERG.hill)
    assert torch.allclose(m.inr[0], m.baseline[0] + 20 * effect, rtol=0.02)


def test_no_drug_is_lost_on_the_way() -> None:
    kept = dataclasses.replace(HAMBERG, clearance=(1e-7, 1e-7, 1e-7))
    model = Warfarin(population=kept, **SURE)
    state = given(model, typical_state(model), torch.tensor([4.0]), 3.3, 0.2, 9.7)
    swallowed = 14 * 4.0 * HAMBERG.active  # at 0, 24, ..., 312 h
    total = recall(state.memory, "amounts_0") + recall(state.memory, "amounts_1")
    assert total.item() == pytest.approx(swallowed, rel=1e-5)


def reference(dose: float, days: int) -> float:
    """INR by scipy, tablet after tablet, of the typical patient of genotype *1/*1, A/G at 65 years."""
    clearance, half = 0.348 * (1 + 0.00571 * 6), 3.01 * HAMBERG.half_effect_scale
    ka, ke, fast, slow = 2.0, clearance / 14.3, 3 / 28.6, 3 / 118.3

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        ratio = (max(y[1], 0.0) / 14.3 / half) ** 1.15
        e = ratio / (1 + ratio)
        a, b = y[2:5], y[5:]
        return np.array(
            [-ka * y[0], ka * y[0] - ke * y[1]]
            + [fast * (p - q) for p, q in zip((e, *a[:2]), a, strict=True)]
            + [slow * (p - q) for p, q in zip((e, *b[:2]), b, strict=True)]
        )

    y = np.zeros(8)
    for _ in range(days):
        y[0] += dose / 2
        y = solve_ivp(slope, (0, 24), y, rtol=1e-9, atol=1e-11).y[:, -1]
    return 1.05 + 10 * (y[4] + y[7])


@pytest.mark.parametrize("days", [3, 10])
def test_the_course_is_that_of_the_equations(days: int) -> None:
    model = Warfarin(**SURE)
    state = given(model, typical_state(model, vkorc1="A/G"), torch.tensor([5.0]), days)
    assert recall(state.memory, "inr").item() == pytest.approx(reference(5.0, days), abs=5e-4)


@pytest.mark.parametrize("cuts", [(7.0, 7.0), (0.3, 1.9, 11.8), (1 / 24,) * 36 + (12.5,)], ids=len)
def test_a_course_is_the_same_however_it_is_cut(cuts: tuple[float, ...]) -> None:
    model = Warfarin(sway=0.3, variability=1.0, missed=0.0, noise_sd=0.0, events=False)
    start = model.admit(None, torch.randn(50, model.admit_noise_dim, generator=torch.Generator().manual_seed(1)))
    dose = torch.linspace(1, 9, 50)
    whole, cut = given(model, start, dose, 14.0), given(model, start, dose, *cuts)
    for name in ("inr", "amounts_1", "deficit_2", "deficit_5", "diet"):
        assert torch.allclose(recall(cut.memory, name), recall(whole.memory, name), rtol=5e-4, atol=5e-5), name
    for band in range(4):  # by straight lines within each piece: to an hour or two
        hours = [recall(s.memory, f"bands_{band}") for s in (whole, cut)]
        assert (hours[0] - hours[1]).abs().max() < 2


def test_finer_quadrature_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Warfarin(**SURE)
    coarse = given(model, typical_state(model), torch.tensor([5.0]), 3.0, 7.0, 14.0)
    monkeypatch.setattr(warfarin_dynamics, "_NODES", 6)
    fine = given(model, typical_state(model), torch.tensor([5.0]), 3.0, 7.0, 14.0)
    assert recall(coarse.memory, "inr").item() == pytest.approx(recall(fine.memory, "inr").item(), abs=3e-4)


def test_alleles_have_their_published_frequencies() -> None:
    """1000 Genomes: Shendre et al. (2018), table 1; Han: Xia et al. (2024), A/A 80.3 %, *1/*1 94.3 %."""
    noise = normals(seeds(0, 60_000), *[torch.zeros(60_000, dtype=torch.int64)] * 2, 4)
    for ancestry, (star_2, star_3, low) in enumerate(HAMBERG.alleles):
        cyp, vkorc = draw_genotype(HAMBERG, torch.full((60_000,), ancestry), noise).unbind(1)
        assert vkorc.mean().item() / 2 == pytest.approx(low, abs=0.005)
        carriers = torch.stack([cyp == CYP2C9.index("*2/*2"), cyp == CYP2C9.index("*3/*3")]).float().mean(1)
        assert carriers.tolist() == pytest.approx([star_2**2, star_3**2], abs=0.003)
        assert (cyp == 0).float().mean().item() == pytest.approx((1 - star_2 - star_3) ** 2, abs=0.006)
    cyp, vkorc = draw_genotype(HAN, torch.full((60_000,), 1), noise).unbind(1)
    assert (vkorc == 2).float().mean().item() == pytest.approx(0.803, abs=0.01)
    assert (cyp == 0).float().mean().item() == pytest.approx(0.943, abs=0.005)


def test_diet_drifts_and_tablets_are_missed() -> None:
    model = Warfarin(variability=0.0)
    rows = seeds(0, 3000)
    zero = torch.zeros_like(rows)
    start = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))
    week = torch.full((3000,), 14 * DAY)
    state = model.step(start, torch.full((3000, 1), 5.0), week, normals(rows, zero, zero, model.noise_dim))
    before, after = recall(start.memory, "diet"), recall(state.memory, "diet")
    assert after.std().item() == pytest.approx(1.0, abs=0.05)
    assert torch.corrcoef(torch.stack((before, after)))[0, 1].item() == pytest.approx(math.exp(-1), abs=0.05)
    never = dataclasses.replace(HAMBERG, clearance=(1e-7, 1e-7, 1e-7))
    hoard = dataclasses.replace(model, population=never)
    kept = hoard.step(start.replace(memory=_without_loss(start)), torch.full((3000, 1), 5.0), week, _noise(hoard, rows))
    drug = recall(kept.memory, "amounts_0") + recall(kept.memory, "amounts_1")
    assert drug.mean().item() / (14 * 2.5) == pytest.approx(0.95, abs=0.005)


def _without_loss(state: PatientState) -> torch.Tensor:
    memory = state.memory.clone()
    memory[:, COLUMN["elimination"]] = 1e-8
    return memory


def _noise(model: Warfarin, rows: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(rows)
    return normals(rows, zero, zero, model.noise_dim)


@functools.cache
def half_year(actor: Clinician, model: Warfarin, patients: int = 800) -> Rollout:
    """180 days at the clinic, doses as continuous as they come."""
    treatment = DoseTreatment(model, horizon=60, interval_hours=SHORTEST, visits=clinic_visits, action="continuous")
    return rollout(treatment, actor, patients, keep_memory=True)


def time_in_range(done: Rollout, start: float, end: float) -> float:
    """Share of the days from `start` to `end` with a true INR of 2-3, by straight lines between visits."""
    assert done.memory is not None
    hours = done.trajectories.hours
    clock = torch.cat([torch.zeros(len(hours), 1), hours.cumsum(1)], 1).numpy() / DAY
    inside = recall(done.memory, "bands_1").numpy() / DAY
    stays = done.trajectories.length.numpy() + 1
    pairs = [(clock[i, :n], inside[i, :n]) for i, n in enumerate(stays)]
    return float(np.mean([np.diff(np.interp([start, end], c, b))[0] / (end - start) for c, b in pairs]))


def test_time_in_range_by_month_is_that_of_clinics() -> None:
    """Titration by thresholds from 5 mg. CoagClinic: 67 % in range, ~39 % ever above 4 (Nelson et al. 2015).

    Venous thromboembolism: 54.0 % in the first month, 60.0 % in months 2-3, 75.2 % in months 4-12 (Erkens et al. 2012).
    Here the first month starts without any drug or heparin.
    """
    done = half_year(Titration(), Warfarin(events=False))
    first, second, late = (time_in_range(done, *span) for span in ((0, 28), (28, 90), (90, 180)))
    assert 0.35 < first < 0.54
    assert second == pytest.approx(0.60, abs=0.06)
    assert late == pytest.approx(0.72, abs=0.05)
    ends = done.trajectories.length
    highest = recall(done.memory, "highest")[torch.arange(len(ends)), ends]
    assert (highest > 4).float().mean().item() == pytest.approx(0.39, abs=0.06)


def test_without_variation_within_patients_control_is_unreal() -> None:
    steady = half_year(Titration(), Warfarin(sway=0.0, missed=0.0, noise_sd=0.0, events=False), 300)
    assert time_in_range(steady, 60, 180) > 0.93


def test_a_start_by_genotype_spares_high_inrs() -> None:
    """Any INR above 5 in the first half-year, under the same titration."""

    def above(start: str) -> float:
        done = half_year(Titration(start), Warfarin(events=False))
        ends = done.trajectories.length
        return float((recall(done.memory, "highest")[torch.arange(len(ends)), ends] > 5).float().mean())

    assert above("pharmacogenetic") < 0.6 * above("fixed")


def test_han_patients_need_less() -> None:
    """Xia et al. (2024) gave .625 to 6.25 mg a day; the shifted cohort ends on about half of the other's dose."""
    doses = {}
    for name, population in (("hamberg", HAMBERG), ("han", HAN)):
        stays = half_year(Titration(), Warfarin(population=population, events=False), 400).trajectories
        last = stays.dose[torch.arange(len(stays)), stays.length - 1, 0]
        doses[name] = last[last > 0].median().item()
    assert 1.5 < doses["han"] < 3.5 < doses["hamberg"] < 5.5


def test_genotypes_can_be_hidden_and_change_nothing_else() -> None:
    shown, hidden = Warfarin(), Warfarin(genotype=False)
    z = torch.randn(20, shown.admit_noise_dim, generator=torch.Generator().manual_seed(0))
    a, b = shown.admit(None, z), hidden.admit(None, z)
    assert torch.equal(a.memory, b.memory) and torch.equal(a.context[:, :6], b.context)
    assert [c.name for c in hidden.spec.context] == [c.name for c in SPEC.context][:6]
    with pytest.raises(ValueError, match="genotypes in the record"):
        Titration("pharmacogenetic").dose(b, torch.zeros(20, 0))
    with pytest.raises(ValueError, match="context"):
        shown.admit(b.context, z)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="missed"):
        Warfarin(missed=0.5)
    with pytest.raises(ValueError, match="positive"):
        Warfarin(sway_days=0.0)
    with pytest.raises(ValueError, match="start"):
        Titration("guess")
    with pytest.raises(KeyError, match="no 'dose'"):
        recall(torch.zeros(1, len(COLUMN)), "dose")
