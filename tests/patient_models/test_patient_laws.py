"""The laws of every patient model in the table: shapes, purity, and doses that are refused."""

import dataclasses
import functools
import inspect
from collections import Counter
from typing import Any

import pytest
import torch
from posology.contracts import PatientModel, PatientState, Trajectories
from posology.patient_models import MODELS, model
from posology.patient_models.glucose import Glucose
from posology.patient_models.lstm import LSTMConfig
from posology.patient_models.sepsis import Sepsis
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.patient_models.simulate import follow
from posology.trajectories.carry import pad
from posology.trajectories.noise import ADMISSION, normals, seeds
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

SMALL = {"lstm": LSTMConfig(members=2, hidden=8, epochs=2)}
PICTURED = ("sepsis_imaging", "tumor_imaging")  # on the CPU they render only pictures that were taken
SYNCHRONISING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")


def stays(count: int, seed: int) -> Trajectories:
    """Stays of the sepsis cohort, as records hold them."""
    course = follow(Sepsis(), SepsisClinician(), count, seed=seed)
    mask, states = course.in_care, course.states
    return pad(
        Trajectories(
            spec=Sepsis().spec,
            vitals=torch.stack([s.vitals for s in states], 1),
            seen=torch.stack([s.seen for s in states], 1),
            age=torch.stack([s.age for s in states], 1),
            context=states[0].context,
            dose=course.dose,
            hours=torch.full(mask.shape, 4.0),
            mask=mask,
            outcome=course.outcome,
            subject=torch.arange(count),
            site=torch.zeros(count, dtype=torch.int64),
        )
    )


@functools.cache
def patient(name: str) -> PatientModel:
    """The model as it is built, or fitted to a few sepsis stays."""
    build = model(name)
    known = all(p.default is not p.empty for p in inspect.signature(build).parameters.values())
    fitted: Any = build() if known else build(stays(120, 0), stays(60, 500), SMALL.get(name), seed=0)
    built: PatientModel = fitted
    return built


@pytest.fixture(params=sorted(MODELS))
def any_patient(request: pytest.FixtureRequest) -> PatientModel:
    return patient(request.param)


def admitted(of: PatientModel, first: int = 0, count: int = 32) -> PatientState:
    rows = seeds(first, count)
    zero = torch.zeros_like(rows)
    return of.admit(None, normals(rows, zero, zero, of.admit_noise_dim, stream=ADMISSION))


def noise(of: PatientModel, first: int, count: int, t: int) -> Tensor:
    rows = seeds(first, count)
    return normals(rows, torch.zeros_like(rows), torch.zeros_like(rows) + t, of.noise_dim)


def hours(of: PatientModel, count: int) -> Tensor:
    usual = 1 / 12 if isinstance(of, Glucose) else 4.0  # glucose refuses hours between two looks at the sensor
    return torch.full((count,), of.fixed_hours or usual)


def moved(of: PatientModel, share: float, first: int = 0, count: int = 32, steps: int = 4) -> PatientState:
    """Patients after some steps, every drug at `share` of its physical range."""
    state = admitted(of, first, count)
    dose = torch.tensor([share * d.high for d in of.spec.drugs]).expand(count, -1)
    for t in range(steps):
        state = of.step(state, dose, hours(of, count), noise(of, first, count, t))
    return state


def equal(a: PatientState, b: PatientState, atol: float = 0.0) -> None:
    for field in dataclasses.fields(PatientState):
        x, y = getattr(a, field.name), getattr(b, field.name)
        assert torch.allclose(x.double(), y.double(), rtol=atol, atol=atol), field.name


def test_shapes(any_patient: PatientModel) -> None:
    spec = any_patient.spec
    for state in (admitted(any_patient), moved(any_patient, 0.05)):
        rows, features, drugs = 32, len(spec.features), len(spec.drugs)
        assert state.vitals.shape == state.age.shape == state.seen.shape == (rows, features)
        assert state.seen.dtype == torch.bool
        assert state.context.shape == (rows, len(spec.context))
        assert state.last_dose.shape == state.total_dose.shape == (rows, drugs)
        assert state.hours.shape == state.outcome.shape == (rows,)
        assert state.outcome.dtype == torch.int64
        assert state.memory.shape[0] == state.belief.shape[0] == rows


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_finite_and_within_bounds_under_extreme_but_legal_doses(any_patient: PatientModel, share: float) -> None:
    state = moved(any_patient, share, steps=18)
    for field in dataclasses.fields(PatientState):
        assert torch.isfinite(getattr(state, field.name).double()).all(), field.name
    for column, feature in enumerate(any_patient.spec.features):
        assert (state.vitals[:, column] >= feature.low).all(), feature.name
        assert (state.vitals[:, column] <= feature.high).all(), feature.name


def test_seen_values_are_new_and_others_age(any_patient: PatientModel) -> None:
    before = admitted(any_patient)
    after = moved(any_patient, 0.01, steps=1)
    limit = torch.tensor([f.max_age for f in any_patient.spec.features])
    assert (after.age[after.seen] == 0).all()
    older = torch.minimum(before.age + hours(any_patient, 32)[:, None], limit)
    assert torch.equal(after.age[~after.seen], older[~after.seen])


def test_a_row_does_not_depend_on_its_batch(any_patient: PatientModel) -> None:
    batch = moved(any_patient, 0.01, count=16)
    for row in (0, 7, 15):
        equal(batch.rows(torch.tensor([row])), moved(any_patient, 0.01, first=row, count=1), atol=2e-4)


def test_same_noise_same_course(any_patient: PatientModel) -> None:
    equal(moved(any_patient, 0.02), moved(any_patient, 0.02))


def test_doses_add_up(any_patient: PatientModel) -> None:
    state = moved(any_patient, 0.01, steps=3)
    given = torch.tensor([0.01 * d.high for d in any_patient.spec.drugs]).expand(32, -1)
    assert torch.equal(state.last_dose, given)
    expected = 3 * given * hours(any_patient, 32)[:, None]
    assert torch.allclose(state.total_dose, expected, rtol=1e-5)
    assert torch.allclose(state.hours, 3 * hours(any_patient, 32))


def test_an_outcome_stays(any_patient: PatientModel) -> None:
    state = admitted(any_patient)
    ended = state.replace(outcome=torch.arange(32) % len(any_patient.spec.outcomes))
    dose = torch.zeros(32, len(any_patient.spec.drugs))
    for t in range(6):
        after = any_patient.step(ended, dose, hours(any_patient, 32), noise(any_patient, 0, 32, t))
        over = ended.outcome != 0
        assert torch.equal(after.outcome[over], ended.outcome[over])


@pytest.mark.parametrize("factor", [-0.1, 1.1, float("nan")])
def test_doses_outside_the_physical_range_are_refused(any_patient: PatientModel, factor: float) -> None:
    state = admitted(any_patient)
    for column, drug in enumerate(any_patient.spec.drugs):
        dose = torch.zeros(32, len(any_patient.spec.drugs))
        dose[5, column] = factor * drug.high
        with pytest.raises(ValueError, match=drug.name):
            any_patient.step(state, dose, hours(any_patient, 32), noise(any_patient, 0, 32, 0))


def test_the_state_passed_in_is_left_as_it_was(any_patient: PatientModel) -> None:
    state = admitted(any_patient)
    copy = PatientState(*(getattr(state, f.name).clone() for f in dataclasses.fields(PatientState)))
    dose = torch.zeros(32, len(any_patient.spec.drugs))
    any_patient.step(state, dose, hours(any_patient, 32), noise(any_patient, 0, 32, 0))
    equal(state, copy)


class Operations(TorchDispatchMode):
    """Counts every operation by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(PICTURED)))
def test_a_step_waits_for_no_result_and_its_work_does_not_grow_with_the_batch(name: str) -> None:
    any_patient = patient(name)
    counts = []
    for count in (4, 64):
        state, z = admitted(any_patient, 0, count), noise(any_patient, 0, count, 0)
        dose, duration = torch.zeros(count, len(any_patient.spec.drugs)), hours(any_patient, count)
        with Operations() as operations:
            any_patient.step(state, dose, duration, z)
        waiting = [name for name in operations.names if any(bad in name for bad in SYNCHRONISING)]
        assert not waiting
        counts.append(operations.names)
    assert counts[0] == counts[1]


def test_unknown_names_are_errors() -> None:
    with pytest.raises(KeyError, match="sepsis"):
        model("sepsys")


def test_hours_beyond_the_longest_step_are_refused() -> None:
    state = admitted(Sepsis())
    with pytest.raises(ValueError, match="longest_hours"):
        Sepsis().step(state, torch.zeros(32, 2), torch.full((32,), 5.0), noise(Sepsis(), 0, 32, 0))
    longer = Sepsis(longest_hours=8.0)
    assert longer.substeps == 96
    longer.step(state, torch.zeros(32, 2), torch.full((32,), 5.0), noise(longer, 0, 32, 0))


def test_wrong_shapes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"noise: expected shape \(B, 38\)"):
        Sepsis().admit(None, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="context"):
        Sepsis().admit(torch.zeros(4, 9), torch.zeros(4, 38))
    with pytest.raises(ValueError, match="positive"):
        Sepsis(longest_hours=0)
