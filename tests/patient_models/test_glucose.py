"""The glucose patient against its published equations, virtual patients and times in range."""

import dataclasses
import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posology.contracts import DIED, PatientState
from posology.patient_models.glucose import Glucose
from posology.patient_models.glucose_clinician import BasalBolus
from posology.patient_models.glucose_dynamics import body_of, slope
from posology.patient_models.glucose_memory import COLUMN, recall, unpack
from posology.patient_models.glucose_risk import TimeInRange, risk, time_in_range
from posology.patient_models.glucose_table import PARAMETERS, virtual_patients
from scipy.integrate import solve_ivp
from torch import Tensor

Array = NDArray[np.float64]
MINUTE = 1 / 60
PLAIN = Glucose(variability=0.0, misjudged=0.0, noise=0.0, bolus_step=0.0, basal_step=0.0, days=1)
DAYS = 3
TABLE = virtual_patients()


def right_hand_side(x: Array, p: dict[str, float], food: float, insulin: float, meal: float) -> Array:
    """The 13 equations of the simulator's version of 2008, per minute; food in mg, insulin in pmol/kg, meal in mg."""
    stomach = x[0] + x[1]
    emptying = p["kmax"]
    if meal > 0:
        up = np.tanh(2.5 / (meal * (1 - p["b"])) * (stomach - p["b"] * meal))
        down = np.tanh(2.5 / (meal * p["d"]) * (stomach - p["d"] * meal))
        emptying = p["kmin"] + (p["kmax"] - p["kmin"]) / 2 * (up - down + 2)
    level = x[5] / p["Vi"]
    production = max(p["kp1"] - p["kp2"] * x[3] - p["kp3"] * x[8], 0.0)
    excretion = p["ke1"] * max(x[3] - p["ke2"], 0.0)
    use = (p["Vm0"] + p["Vmx"] * x[6]) * x[4] / (p["Km0"] + x[4])
    change = np.array(
        (
            food - p["kmax"] * x[0],
            p["kmax"] * x[0] - emptying * x[1],
            emptying * x[1] - p["kabs"] * x[2],
            production + p["f"] * p["kabs"] * x[2] / p["BW"] - p["Fsnc"] - excretion - p["k1"] * x[3] + p["k2"] * x[4],
            p["k1"] * x[3] - p["k2"] * x[4] - use,
            p["m1"] * x[9] - (p["m2"] + p["m4"]) * x[5] + p["ka1"] * x[10] + p["ka2"] * x[11],
            p["p2u"] * (level - p["Ib"] - x[6]),
            p["ki"] * (level - x[7]),
            p["ki"] * (x[7] - x[8]),
            p["m2"] * x[5] - (p["m1"] + p["m30"]) * x[9],
            insulin - (p["ka1"] + p["kd"]) * x[10],
            p["kd"] * x[10] - p["ka2"] * x[11],
            p["ksc"] * (x[3] - x[12]),
        )
    )
    still = [i for i in (3, 4, 5, 9, 10, 11, 12) if x[i] < 0]
    change[still] = 0
    return change


def parameters(patient: int) -> dict[str, float]:
    return dict(zip(PARAMETERS, TABLE.parameters[:, patient].double().tolist(), strict=True))


def states(rows: int = 60) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Plausible states (13, rows), the patients they belong to, and inputs."""
    g = torch.Generator().manual_seed(0)
    patient = torch.arange(rows) % 30
    x = TABLE.rest[:, patient] * torch.exp(0.5 * torch.randn(13, rows, generator=g))
    x[:3] = 20_000 * torch.rand(3, rows, generator=g)
    x[6] = 50 * torch.randn(rows, generator=g)
    x[9:13, ::7] *= -1  # a negative amount stands still
    meal = torch.where(torch.arange(rows) % 3 == 0, 0.0, 60_000 * torch.rand(rows, generator=g))
    return x, patient, (5000 * torch.rand(rows, generator=g), 30 * torch.rand(rows, generator=g), meal)


def ours_and(theirs: Array) -> None:
    x, patient, inputs = states()
    ours = slope(x, body_of(TABLE.parameters[:, patient], torch.zeros(60)), inputs).double().numpy()
    scale = 1 + np.abs(x.numpy()) + np.abs(theirs)  # parts cancel
    assert (np.abs(ours - theirs) / scale).max() < 2e-5


def test_slope_is_the_published_right_hand_side() -> None:
    x, patient, inputs = states()
    columns = []
    for i in range(60):
        food, insulin, meal = (float(q[i]) for q in inputs)
        columns.append(right_hand_side(x[:, i].double().numpy(), parameters(int(patient[i])), food, insulin, meal))
    ours_and(np.stack(columns, 1))


@pytest.fixture
def simglucose(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Its patient, without the package's own imports: they need an old gym, and a part of setuptools that is gone."""
    found = importlib.util.find_spec("simglucose")
    if found is None or not found.submodule_search_locations:
        pytest.skip("simglucose is not installed: pip install --no-deps simglucose")
    folder = Path(found.submodule_search_locations[0])
    package, resources = ModuleType("simglucose"), ModuleType("pkg_resources")
    package.__path__ = [str(folder)]
    resources.resource_filename = lambda _, name: str(folder / name)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "simglucose", package)
    monkeypatch.setitem(sys.modules, "pkg_resources", resources)
    return importlib.import_module("simglucose.patient.t1dpatient")


def test_slope_is_that_of_simglucose(simglucose: Any) -> None:
    """Its right-hand side called directly."""
    x, patient, inputs = states()
    columns = []
    for i in range(60):
        one = simglucose.T1DPatient.withID(int(patient[i]) + 1)
        food, insulin, meal = (float(q[i]) for q in inputs)
        action = simglucose.Action(CHO=food / 1000, insulin=insulin * one._params.BW / 6000)
        columns.append(one.model(0.0, x[:, i].double().numpy(), action, one._params, 0.0, meal / 1000))
    ours_and(np.stack(columns, 1))


@pytest.mark.parametrize("patient", [0, 13, 27])
def test_a_meal_with_its_bolus_agrees_with_simglucose(simglucose: Any, patient: int) -> None:
    """Five hours of its own simulation, minute by minute: 60 g from the first hour on, with a bolus over 5 min."""
    one = simglucose.T1DPatient.withID(patient + 1)
    basal = one._params.u2ss * one._params.BW / 6000
    ratio = float(TABLE.advice[0, patient])
    theirs = []
    for minute in range(300):
        extra = 60 / ratio / 5 if 60 <= minute < 65 else 0.0
        one.step(simglucose.Action(CHO=60.0 if minute == 60 else 0.0, insulin=basal + extra))
        theirs.append(one.observation.Gsub)
    ours = run(PLAIN, everyone(PLAIN, meals=((1.0, 60.0),)), 60, bolus_at=12)[patient].numpy()
    assert np.abs(ours - np.array(theirs[4::5])).max() < 0.5
    assert max(theirs) - theirs[0] > 5


def everyone(model: Glucose, seed: int = 0, meals: tuple[tuple[float, float], ...] | None = None) -> PatientState:
    """The 30 virtual patients in order; with `meals` (hour, grams), those instead of their own."""
    basal = TABLE.parameters[PARAMETERS.index("u2ss")] * TABLE.parameters[0] / 100
    ratio, factor, age, daily = TABLE.advice
    context = torch.stack((age, TABLE.parameters[0], ratio, factor, basal, daily), 1)
    noise = torch.randn(30, model.admit_noise_dim, generator=torch.Generator().manual_seed(seed))
    state = model.admit(context, noise)
    if meals is None:
        return state
    m = unpack(state.memory, model.days)
    starts, grams = torch.full_like(m.starts, 1e6), torch.zeros_like(m.grams)
    for k, (hour, amount) in enumerate(meals):
        starts[k], grams[k] = hour, amount
    return state.replace(memory=m._replace(starts=starts, grams=grams, estimates=grams).pack())


def run(model: Glucose, state: PatientState, steps: int, bolus_at: int = -1) -> Tensor:
    """Glucose (30, steps) under basal insulin, and a bolus of 60 g / ratio at step `bolus_at`."""
    hours = torch.full((30,), model.interval_hours)
    units = 60 / state.context[:, 2] / state.context[:, 1] / model.interval_hours
    glucose = []
    for t in range(steps):
        dose = torch.stack((torch.ones(30), units if t == bolus_at else torch.zeros(30)), 1)
        state = model.step(state, dose, hours, torch.zeros(30, 2))
        glucose.append(recall(state.memory, "glucose"))
    return torch.stack(glucose, 1)


def scipy_course(patient: int, minutes: int) -> Array:
    """Glucose every 5 min after 60 g eaten from minute 60 on at 5 g/min, with a bolus over five minutes."""
    p, x = parameters(patient), TABLE.rest[:, patient].double().numpy()
    ratio = float(TABLE.advice[0, patient])
    taken, base, glucose = 0.0, 0.0, []
    for minute in range(minutes):
        food = 5000.0 if 60 <= minute < 72 else 0.0
        base = x[0] + x[1] if minute == 60 else base
        taken += food
        insulin = p["u2ss"] + (60 / ratio / 5 * 6000 / p["BW"] if 60 <= minute < 65 else 0.0)
        inputs = (p, food, insulin, base + taken)
        x = solve_ivp(lambda _, y, a=inputs: right_hand_side(y, *a), (0, 1), x, rtol=1e-8, atol=1e-8).y[:, -1]
        if minute % 5 == 4:
            glucose.append(x[12] / p["Vg"])
    return np.array(glucose)


def test_a_meal_with_its_bolus_agrees_with_scipy() -> None:
    ours = run(PLAIN, everyone(PLAIN, meals=((1.0, 60.0),)), 48, bolus_at=12)
    for patient in (0, 13, 27):
        theirs = scipy_course(patient, 240)
        assert np.abs(ours[patient].numpy() - theirs).max() < 0.3
        assert theirs.max() - theirs[0] > 5


def test_halving_the_substep_changes_little() -> None:
    fine = Glucose(
        variability=0.0, misjudged=0.0, noise=0.0, bolus_step=0.0, basal_step=0.0, days=1, substep_minutes=0.5
    )
    a, b = (run(m, everyone(m, meals=((1.0, 60.0),)), 60, bolus_at=12) for m in (PLAIN, fine))
    assert (a - b).abs().max() < 2.5
    assert (a - b).abs().mean() < 0.1


def test_a_step_may_be_split() -> None:
    long = dataclasses.replace(PLAIN, interval_hours=0.5)
    a, b = (run(m, everyone(m, meals=((1.0, 60.0),)), n) for m, n in ((long, 10), (PLAIN, 60)))
    assert (a - b[:, 5::6]).abs().max() < 0.05


def test_fasting_patients_rest_on_their_basal_rate() -> None:
    glucose = run(PLAIN, everyone(PLAIN, meals=()), 72)
    assert (glucose - glucose[:, :1]).abs().max() < 1.0
    start = TABLE.rest[12] / TABLE.parameters[PARAMETERS.index("Vg")]
    assert torch.allclose(glucose[:, 0], start, atol=0.5)


@functools.cache
def in_range() -> TimeInRange:
    """Times in range (2, 2, 30) over three days: on basal insulin only, then with boluses; two draws of meals."""
    model = dataclasses.replace(PLAIN, days=DAYS)
    parts = [everyone(model, seed).rows(torch.arange(30)) for _ in range(2) for seed in range(2)]
    fields = [f.name for f in dataclasses.fields(PatientState)]
    state = PatientState(**{name: torch.cat([getattr(p, name) for p in parts]) for name in fields})
    hours, noise = torch.full((120,), model.interval_hours), torch.zeros(120, 2)
    with_bolus = torch.stack((torch.ones(120), (torch.arange(120) >= 60).float()), 1)
    glucose = []
    for _ in range(DAYS * 288):
        state = model.step(state, BasalBolus().dose(state, noise) * with_bolus, hours, noise)
        glucose.append(recall(state.memory, "glucose"))
    return time_in_range(torch.stack(glucose, 1).reshape(2, 2, 30, -1))


@pytest.mark.parametrize(
    ("group", "basal_only", "basal_bolus", "low"),
    [("adolescent", 0.26, 0.84, 0.026), ("adult", 0.25, 0.94, 0.025), ("child", 0.14, 0.67, 0.254)],
)
def test_time_in_range_is_that_of_the_reference(group: str, basal_only: float, basal_bolus: float, low: float) -> None:
    """Shares of three days of ten patients in the reference simulator; other meals here, so within .08."""
    rows = list(TABLE.members(group))
    inside, below = in_range().inside[:, :, rows].mean((1, 2)), in_range().low[:, :, rows].mean((1, 2))
    assert inside.tolist() == pytest.approx([basal_only, basal_bolus], abs=0.08)
    assert below.tolist() == pytest.approx([0.0, low], abs=0.06)


def test_the_table_is_complete() -> None:
    assert len(TABLE.names) == 30
    assert [len(TABLE.members(g)) for g in ("adolescent", "adult", "child", "all")] == [10, 10, 10, 30]
    with pytest.raises(ValueError, match="adolescent"):
        Glucose(group="infant")


def test_a_context_meets_its_virtual_patient() -> None:
    assert torch.equal(recall(everyone(PLAIN).memory, "patient"), torch.arange(30.0))
    drawn = Glucose(group="child").admit(None, torch.randn(300, Glucose().admit_noise_dim))
    assert set(recall(drawn.memory, "patient").long().tolist()) == set(TABLE.members("child"))


def test_the_pump_rounds_and_insulin_on_board_decays() -> None:
    model = Glucose(days=1, variability=0.0)
    state = everyone(model)
    weight = state.context[:, 1]
    dose = torch.stack((torch.ones(30), 1.234 / weight * 12), 1)  # 1.234 U
    after = model.step(state, dose, torch.full((30,), 5 * MINUTE), torch.zeros(30, 2))
    assert torch.allclose(
        after.vitals[:, 3] * weight, torch.tensor(1.25 * np.exp(-5 * MINUTE / 1.5)).float(), rtol=1e-5
    )
    assert torch.equal(after.last_dose, dose)


def test_a_gross_overdose_ends_the_stay() -> None:
    state = everyone(PLAIN, meals=())
    for t in range(72):
        dose = torch.tensor([[1.0, 12.0 if t == 0 else 0.0]]).expand(30, 2)
        state = PLAIN.step(state, dose, torch.full((30,), 5 * MINUTE), torch.zeros(30, 2))
    assert (state.outcome == DIED).float().mean() > 0.5
    assert torch.isfinite(state.memory).all()


def test_risk_is_zero_where_glucose_is_best() -> None:
    low, high = risk(torch.tensor([54.0, 112.5, 250.0]))
    assert low[1] + high[1] < 0.01
    assert low[0] > 5 and high[2] > 5 and low[2] == high[0] == 0  # noqa: PT018


def test_names_of_memory_columns() -> None:
    state = everyone(PLAIN)
    assert torch.equal(recall(state.memory, "body_13"), unpack(state.memory, 1).body[12])
    assert torch.equal(recall(state.memory, "lowest"), unpack(state.memory, 1).lowest[0])
    assert COLUMN["patient"] == 0


def test_wrong_shapes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"noise: expected shape \(B, 27\)"):
        PLAIN.admit(None, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="context"):
        PLAIN.admit(torch.zeros(4, 2), torch.zeros(4, 27))
    with pytest.raises(ValueError, match="longest_hours"):
        PLAIN.step(everyone(PLAIN), torch.zeros(30, 2), torch.full((30,), 1.0), torch.zeros(30, 2))
