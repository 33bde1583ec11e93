"""The propofol patient against published figures, and against matrix exponentials of the same compartments."""

import numpy as np
import pytest
import torch
from posology.patient_models.propofol import Propofol
from posology.patient_models.propofol_clinician import FixedInfusion
from posology.patient_models.propofol_effect import PRESSURE_FALL, arousal, hypnosis
from posology.patient_models.propofol_kinetics import Compartments, apart, drift, effect_site, modes, plasma
from posology.patient_models.propofol_memory import COLUMN, PropofolMemory, recall
from posology.patient_models.propofol_population import Eleveld, Population, Schnider, individual
from posology.patient_models.simulate import follow
from scipy.linalg import expm
from torch import Tensor

REFERENCE = torch.tensor([[35.0, 70.0, 170.0, 1.0]])  # years, kg, cm, man
MINUTE = 1 / 60


def typical(population: Population) -> Propofol:
    return Propofol(population=population, variability=0.0, arousal=0.0, noise_sd=0.0)


def test_kinetics_of_the_reference_patient_are_the_published_ones() -> None:
    eleveld = torch.stack(Eleveld().kinetics(REFERENCE))[:, 0]
    assert torch.allclose(eleveld, torch.tensor([6.28, 25.5, 168.4, 1.619, 1.831, 0.773, 0.146]), rtol=1e-3)
    without = torch.stack(Eleveld(opioids=False).kinetics(REFERENCE))[:, 0]
    assert torch.allclose(without, torch.tensor([6.28, 25.5, 273.0, 1.79, 1.831, 1.110, 0.146]), rtol=1e-3)
    ours = Schnider().kinetics(torch.tensor([[53.0, 77.0, 177.0, 1.0]]))
    assert ours.elimination.item() == pytest.approx(1.89 - 0.0681 * (60.476 - 59), abs=1e-3)  # lean body mass 60.5 kg
    assert [v.item() for v in ours[:3]] == pytest.approx([4.27, 18.9, 238.0])


def infuse(model: Propofol, seconds: float, until: float, rates: tuple[float, float] = (120.0, 8.0)) -> list[Tensor]:
    """Memories each minute of the reference patient: 2 mg/kg in the first minute, then 8 mg/kg/h."""
    state = model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim))
    states, each = [], round(60 / seconds)
    for k in range(round(until * each)):
        rate = torch.tensor([[rates[0] if k < each else rates[1]]])
        state = model.step(state, rate, torch.tensor([seconds / 3600]), torch.zeros(1, 2))
        if (k + 1) % each == 0:
            states.append(state.memory)
    return states


@pytest.mark.parametrize(
    ("population", "expected"),
    [(Eleveld(), (49, 39, 41, 41, 38)), (Schnider(), (28, 42, 57, 56, 53))],
    ids=["Eleveld", "Schnider with Bouillon"],
)
def test_induction_and_maintenance_give_the_known_course_of_the_bis(
    population: Population, expected: tuple[int, ...]
) -> None:
    """140 mg in a minute, then 8 mg/kg/h: BIS at 2, 5, 10, 30 and 60 min, before the monitor's delay.

    At 2 min the BIS falls by 2 points in 6 s, so that the first figure depends on how the minute is counted.
    """
    states = infuse(typical(population), 60, 60)
    for minute, bis in zip((2, 5, 10, 30, 60), expected, strict=True):
        m = PropofolMemory.unpack(states[minute - 1])
        ours = hypnosis(m.past[0], m)
        assert ours.item() == pytest.approx(bis, abs=2.2 if minute == 2 else 0.6)


def system(c: Compartments, row: int) -> np.ndarray:
    """Matrix (5, 5) of the amounts' change per minute: three compartments, effect site, and the rate as a constant."""
    v1, v2, v3, cl, q2, q3, ke0 = (x[row].double().item() for x in c)
    a = np.zeros((5, 5))
    a[0, :3] = -(cl + q2 + q3) / v1, q2 / v2, q3 / v3
    a[1, :2] = q2 / v1, -q2 / v2
    a[2, 0], a[2, 2] = q3 / v1, -q3 / v3
    a[3, 0], a[3, 3] = ke0 / v1, -ke0
    a[0, 4] = 1.0  # the rate is the fifth state
    return a


@pytest.mark.parametrize("population", [Eleveld(), Schnider()], ids=type)
def test_modes_are_the_matrix_exponential(population: Population) -> None:
    g = torch.Generator().manual_seed(0)
    context = torch.tensor([[20.0, 50.0, 160.0, 0.0], [88.0, 110.0, 170.0, 1.0]]).repeat(20, 1)
    kinetics, _ = individual(population, context, torch.randn(40, 9, generator=g))
    decay, share = modes(kinetics)
    ke0 = apart(kinetics.effect[None], decay)
    amounts, every, minutes = torch.zeros(4, 40), torch.cat((decay, ke0)), torch.full((40,), 0.5)
    for rate in (140.0, 0.0, 10.0, 10.0, 60.0, 0.0):
        amounts = drift(amounts, every, torch.full((40,), rate), minutes)
    for row in range(40):
        x = np.zeros(5)
        a = system(kinetics._replace(effect=ke0[0]), row)
        for rate in (140.0, 0.0, 10.0, 10.0, 60.0, 0.0):
            x[4] = rate
            x = expm(0.5 * a) @ x
        concentration = x[0] / kinetics.central[row].item()
        assert plasma(amounts[:3], share)[row].item() == pytest.approx(concentration, rel=1e-4)
        assert effect_site(amounts, share, decay, ke0)[0, row].item() == pytest.approx(x[3], rel=2e-4)


def test_infusion_in_equals_clearance_out_at_steady_state() -> None:
    model = Propofol(variability=0.0)
    state = model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim))
    for _ in range(100):
        state = model.step(state, torch.tensor([[6.0]]), torch.tensor([4.0]), torch.zeros(1, 2))
    m = PropofolMemory.unpack(state.memory)
    assert plasma(m.amounts[:3], m.share).item() == pytest.approx(6 * 70 / 60 / 1.6195, rel=1e-3)
    assert m.past[0].item() == pytest.approx(6 * 70 / 60 / 1.6195, rel=1e-3)


@pytest.mark.parametrize("seconds", [2.5, 5.0, 15.0, 30.0])
def test_step_length_changes_nothing(seconds: float) -> None:
    model = typical(Eleveld())
    fine, coarse = infuse(model, 1.25 * 2, 6), infuse(model, seconds, 6)
    for a, b in zip(fine, coarse, strict=True):
        for name in ("past_0", "amounts_0", "amounts_4", "pump_amounts_2"):
            assert recall(b, name).item() == pytest.approx(recall(a, name).item(), rel=1e-4, abs=1e-4)


def test_the_monitor_lags_by_the_age_dependent_delay() -> None:
    model = typical(Eleveld())
    context = torch.tensor([[35.0, 70.0, 170.0, 1.0], [85.0, 70.0, 170.0, 1.0]])
    state = model.admit(context, torch.zeros(2, model.admit_noise_dim))
    bis, truth = [], []
    for k in range(60):
        rate = torch.full((2, 1), 120.0 if k < 24 else 0.0)
        state = model.step(state, rate, torch.full((2,), 2.5 / 3600), torch.zeros(2, 2))
        m = PropofolMemory.unpack(state.memory)
        bis.append(state.vitals[:, 0])
        truth.append(hypnosis(m.past[0], m))
    shown, at_once = torch.stack(bis), torch.stack(truth)
    for row, seconds in ((0, 16.0), (1, 15 + np.exp(0.0517 * 50))):
        lagged = np.interp(2.5 * np.arange(60) - seconds, 2.5 * np.arange(60), at_once[:, row].numpy())
        assert np.abs(shown[20:, row].numpy() - lagged[20:]).max() < 0.05


def test_a_long_step_shows_what_short_steps_show() -> None:
    model = typical(Eleveld())
    start = model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim))
    long = model.step(start, torch.tensor([[100.0]]), torch.tensor([MINUTE]), torch.zeros(1, 2))
    short = start
    for _ in range(24):
        short = model.step(short, torch.tensor([[100.0]]), torch.tensor([2.5 / 3600]), torch.zeros(1, 2))
    assert torch.allclose(long.vitals, short.vitals, atol=0.03)


def test_the_same_infusion_for_all_leaves_few_in_range() -> None:
    """2 mg/kg then 6 mg/kg/h: BIS at 30 min 15/44/81 (5th, 50th, 95th percentile), 30 % of the time in 40-60."""
    course = follow(Propofol(arousal=0.0), FixedInfusion(), 2000, decisions=30, hours=MINUTE)
    bis = torch.stack([s.vitals[:, 0] for s in course.states[1:]], 1)
    assert torch.allclose(
        bis[:, -1].quantile(torch.tensor([0.05, 0.5, 0.95])), torch.tensor([15.0, 44.0, 81.0]), atol=4
    )
    assert ((bis >= 40) & (bis <= 60)).float().mean().item() == pytest.approx(0.28, abs=0.04)


def test_pressure_falls_by_no_more_than_published() -> None:
    """54.8 mmHg systolic and 18.1 diastolic are 30.3 mmHg of mean pressure."""
    assert pytest.approx(30.33, abs=0.01) == PRESSURE_FALL
    model = typical(Eleveld())
    state = model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim))
    assert state.vitals[0, 1].item() == pytest.approx(90.0)
    for _ in range(10):
        state = model.step(state, torch.tensor([[60.0]]), torch.tensor([0.5]), torch.zeros(1, 2))
    assert state.vitals[0, 1].item() == pytest.approx(90.0 - PRESSURE_FALL, abs=0.1)


def test_stimuli_follow_their_profile() -> None:
    model = Propofol(variability=0.0)
    m = PropofolMemory.unpack(model.admit(REFERENCE.expand(7, -1), torch.zeros(7, model.admit_noise_dim)).memory)
    bis, mmhg = arousal(torch.tensor([5.0, 11.0, 12.5, 26.0, 30.0, 37.2, 90.0]), m)
    assert torch.allclose(bis, torch.tensor([0.0, 20.0, 10.0, -20.0, 10.0, 30.0, 0.0]), atol=1e-4)
    assert torch.allclose(mmhg, torch.tensor([0.0, 10.0, 5.0, -10.0, 7.0, 15.0, 0.0]), atol=1e-4)


def test_noise_of_the_bis_has_the_stated_size_whatever_the_step() -> None:
    model = Propofol(variability=0.0, arousal=0.0)
    g = torch.Generator().manual_seed(0)
    for seconds in (5.0, 60.0):
        state = model.admit(REFERENCE.expand(4000, -1), torch.randn(4000, model.admit_noise_dim, generator=g))
        for _ in range(3):
            noise = torch.randn(4000, 2, generator=g)
            state = model.step(state, torch.zeros(4000, 1), torch.full((4000,), seconds / 3600), noise)
        assert recall(state.memory, "artefact").std().item() == pytest.approx(3.0, rel=0.05)


def test_pressure_is_measured_each_minute() -> None:
    model = typical(Eleveld())
    state = model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim))
    seen = []
    for _ in range(24):
        state = model.step(state, torch.zeros(1, 1), torch.tensor([5 / 3600]), torch.zeros(1, 2))
        seen.append(state.seen[0, 1].item())
    assert [i + 1 for i, s in enumerate(seen) if s] == [12, 24]


def test_memory_columns_have_names_of_their_own() -> None:
    memory = Propofol().admit(None, torch.randn(3, Propofol().admit_noise_dim)).memory
    assert sorted(COLUMN.values()) == list(range(memory.shape[1]))
    assert torch.equal(recall(memory, "half_effect"), PropofolMemory.unpack(memory).half_effect[0])


def test_wrong_shapes_and_settings_are_errors() -> None:
    model = Propofol()
    with pytest.raises(ValueError, match=r"noise: expected shape \(B, 22\)"):
        model.admit(None, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="context"):
        model.admit(torch.zeros(4, 2), torch.zeros(4, 22))
    with pytest.raises(ValueError, match="positive"):
        Propofol(longest_hours=0)


def test_remifentanil_adds_to_propofol_as_published() -> None:
    """Half of its own half-effect concentration stands for half of propofol's; with both the index is at half."""
    model = Propofol(population=Schnider(remifentanil=19.3 / 2), variability=0.0, arousal=0.0, noise_sd=0.0)
    m = PropofolMemory.unpack(model.admit(REFERENCE, torch.zeros(1, model.admit_noise_dim)).memory)
    assert hypnosis(m.half_effect[0] / 2, m).item() == pytest.approx(97.4 / 2, rel=1e-5)
    assert hypnosis(torch.zeros(1), m).item() == pytest.approx(97.4 / (1 + 0.5**1.43), rel=1e-5)
