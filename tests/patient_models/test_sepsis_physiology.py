"""Single mechanisms of the sepsis model against the published figures they were set to."""

import pytest
import torch
from posology.contracts import PatientState
from posology.patient_models.sepsis import Sepsis
from posology.patient_models.sepsis_dynamics import circulation, excess, heart, norepinephrine_effect
from posology.patient_models.sepsis_memory import SepsisMemory, recall
from posology.patient_models.sepsis_observation import due
from posology.patient_models.sepsis_spec import SPEC
from posology.trajectories.noise import ADMISSION, normals, seeds
from torch import Tensor

MODEL = Sepsis()


def admitted(count: int, seed: int = 0) -> PatientState:
    rows = seeds(seed, count)
    zero = torch.zeros_like(rows)
    return MODEL.admit(None, normals(rows, zero, zero, MODEL.admit_noise_dim, stream=ADMISSION))


def quiet(state: PatientState, fluid: Tensor | float, norepinephrine: float, hours: float) -> PatientState:
    """One step without noise."""
    count = len(state)
    dose = torch.stack((torch.full((count,), 0.0) + fluid, torch.full((count,), norepinephrine)), 1)
    return MODEL.step(state, dose, torch.full((count,), hours), torch.zeros(count, MODEL.noise_dim))


@pytest.mark.parametrize(("rate", "rise"), [(0.05, 13.3), (0.1, 17.3), (0.2, 20.3), (0.5, 22.7)])
def test_pressure_response_to_norepinephrine(rate: float, rise: float) -> None:
    state = admitted(20_000)
    memory, weight = SepsisMemory.unpack(state.memory), state.context[:, SPEC.context_column("weight")]

    def settled(dose: float) -> Tensor:
        drug = norepinephrine_effect(memory, weight, torch.full_like(weight, dose))
        return circulation(memory.body(), heart(memory, drug, weight), relaxations=60).pressure

    change = settled(rate) - settled(0.0)
    assert change.mean().item() == pytest.approx(rise, abs=0.2)
    if rate == 0.2:
        assert change.quantile(0.05).item() == pytest.approx(11.6, abs=0.4)
        assert change.quantile(0.95).item() == pytest.approx(29.3, abs=0.4)


def test_pressure_response_after_four_hours() -> None:
    state = admitted(20_000)
    treated, untreated = quiet(state, 100, 0.2, 4.0), quiet(state, 100, 0.0, 4.0)
    change = recall(treated.memory, "pressure") - recall(untreated.memory, "pressure")
    assert change.mean().item() == pytest.approx(18.5, abs=0.2)
    assert change.quantile(0.05).item() == pytest.approx(10.4, abs=0.4)
    assert change.quantile(0.95).item() == pytest.approx(27.0, abs=0.4)


def retained(state: PatientState) -> list[float]:
    """Share of 25 mL/kg over 30 min still in plasma at its end, 30 and 60 ... min later."""
    weight = state.context[:, SPEC.context_column("weight")]
    given, not_given, shares = state, state, []
    for half_hour in range(4):
        given = quiet(given, 50 * weight if half_hour == 0 else 0.0, 0.0, 0.5)
        not_given = quiet(not_given, 0.0, 0.0, 0.5)
        more = recall(given.memory, "plasma") - recall(not_given.memory, "plasma")
        shares.append((more / (25 * weight)).mean().item())
    return shares


def test_crystalloid_retained_by_the_healthy() -> None:
    state = admitted(2_000)
    memory = SepsisMemory.unpack(state.memory)
    zero = torch.zeros(len(state))
    healthy = memory._replace(
        infection=zero, vasodilation=zero, vasoplegia=zero, plasma=zero, tissue=zero, organ=zero, leak=zero + 1
    )
    shares = retained(state.replace(memory=healthy.pack()))
    assert shares[0] == pytest.approx(0.526, abs=0.005)
    assert shares[1] == pytest.approx(0.225, abs=0.005)
    assert shares[3] == pytest.approx(0.169, abs=0.005)


def test_septic_capillaries_leak_more() -> None:
    shares = retained(admitted(20_000))
    assert shares[0] == pytest.approx(0.40, abs=0.01)
    assert shares[1] == pytest.approx(0.147, abs=0.01)


def test_excess_is_softplus_level_beyond_thirty() -> None:
    x = torch.tensor([-20.0, -1.0, 0.0, 3.0, 29.0, 80.0])
    expected = torch.nn.functional.softplus(x.clamp_max(30))
    assert torch.allclose(excess(x.clone()), expected, atol=2e-6)


def test_a_step_is_the_sum_of_its_parts_without_noise() -> None:
    state = admitted(500)
    whole = quiet(state, 150, 0.05, 4.0)
    halves = quiet(quiet(state, 150, 0.05, 2.0), 150, 0.05, 2.0)
    for name, tolerance in (("pressure", 0.4), ("organ", 0.1), ("lactate", 0.1), ("infection", 1e-3)):
        assert torch.allclose(recall(whole.memory, name), recall(halves.memory, name), atol=tolerance), name


def test_noise_of_two_short_steps_adds_up_to_that_of_a_long_one() -> None:
    state = admitted(1)
    state = state.rows(torch.zeros(20_000, dtype=torch.int64))
    noise = torch.randn(3, 20_000, MODEL.noise_dim, generator=torch.Generator().manual_seed(0))
    dose = torch.zeros(20_000, 2)

    def after(hours: list[float]) -> PatientState:
        later = state
        for z, h in zip(noise, hours, strict=False):
            later = MODEL.step(later, dose, torch.full((20_000,), h), z)
        return later

    for name in ("tone", "infection"):
        long, short = recall(after([4.0]).memory, name), recall(after([2.0, 2.0]).memory, name)
        assert short.std().item() == pytest.approx(long.std().item(), rel=0.03), name


def test_schedule_of_measurements() -> None:
    hours = torch.arange(0, 72, 4.0)
    measured = due(hours, hours + 4)
    at = {name: (hours[measured[:, SPEC.feature(name)]] + 4).tolist() for name in ("lactate", "film", "creatinine")}
    assert at["lactate"] == [4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 72]
    assert at["film"] == [4, 12, 24, 36, 48, 60, 72]
    assert at["creatinine"] == [12, 24, 36, 48, 60, 72]
    assert (hours[measured[:, SPEC.feature("wbc")]] + 4).tolist() == [24, 48, 72]
    assert measured[:, SPEC.feature("map")].all()


def test_unseen_values_are_carried_with_their_age() -> None:
    first = admitted(50)
    second = quiet(first, 0, 0, 4.0)
    wbc = SPEC.feature("wbc")
    assert not second.seen[:, wbc].any()
    assert torch.equal(second.vitals[:, wbc], first.vitals[:, wbc])
    assert torch.equal(second.age[:, wbc], torch.full((50,), 4.0))


def test_given_context_is_kept_and_moves_the_hidden_severity() -> None:
    noise = torch.randn(4_000, MODEL.admit_noise_dim, generator=torch.Generator().manual_seed(1))
    sick = torch.tensor([65.0, 80.0, 0.0, 75.0]).expand(4_000, 4)
    well = torch.tensor([65.0, 80.0, 0.0, 25.0]).expand(4_000, 4)
    a, b = MODEL.admit(sick, noise), MODEL.admit(well, noise)
    assert torch.equal(a.context, sick)
    assert (recall(a.memory, "organ") - recall(b.memory, "organ")).mean() > 2


def test_unknown_hidden_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="infection"):
        recall(admitted(1).memory, "sepsis")
