"""A small patient whose every step is cheap, and the environments that the laws run over."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Drug, Feature, PatientState, Spec
from posology.envs import ENVS, treatment
from posology.envs.dose_treatment import DoseTreatment
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.trajectories.carry import carry
from posology.trajectories.rollout import rollout

TOY = Spec(
    features=(
        Feature("map", "mmHg", 0.0, 300.0, (60.0, 90.0), max_age=12.0),
        Feature("lactate", "mmol/L", 0.1, 40.0, (1.0, 5.0), scale="log", max_age=24.0),
    ),
    drugs=(
        Drug("fluid", "mL/h", 8000.0, (0.0, 37.5, 150.0, 375.0, 650.0), (12.5, 75.0, 250.0, 500.0)),
        Drug("norepinephrine", "ug/kg/min", 2.0, (0.0, 0.03, 0.07, 0.14, 0.30), (0.0, 0.05, 0.10, 0.20)),
    ),
    context=(Feature("age", "years", 18.0, 120.0, (50.0, 80.0)),),
)


@dataclass(frozen=True)
class ToyPatient:
    """Pressure walks and responds to norepinephrine; stays end at random, so that resets fall out of step."""

    spec: Spec = TOY
    fixed_hours: float | None = None
    noise_dim: int = 5
    admit_noise_dim: int = 3

    def admit(self, context, noise):
        rows = len(noise)
        zero = noise.new_zeros(rows)
        return PatientState(
            vitals=torch.stack([75 + 5 * noise[:, 0], 2 * torch.exp(0.3 * noise[:, 1])], 1),
            seen=torch.ones(rows, 2, dtype=torch.bool, device=noise.device),
            age=noise.new_zeros(rows, 2),
            memory=noise[:, :2].clone(),
            belief=noise.new_zeros(rows, 0),
            context=65 + 10 * noise[:, 2:3] if context is None else context,
            hours=zero,
            last_dose=noise.new_zeros(rows, 2),
            total_dose=noise.new_zeros(rows, 2),
            outcome=zero.long(),
        )

    def step(self, state, dose, hours, noise):
        measured = state.vitals + torch.stack([3 * noise[:, 0] + 20 * dose[:, 1], 0.1 * noise[:, 1]], 1)
        measured = torch.stack([measured[:, 0].clamp(0, 300), measured[:, 1].clamp(0.1, 40)], 1)
        seen = noise[:, 2:4] < 0.5
        vitals, age = carry(self.spec, state.vitals, state.age, hours, measured, seen)
        fate = torch.where(noise[:, 4] < -1.4, 2, torch.where(noise[:, 4] > 1.6, 1, 0))
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=0.9 * state.memory + noise[:, :2],
            hours=state.hours + hours,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=torch.where(state.outcome == 0, fate, state.outcome),
        )

    def disagreement(self, state, dose, hours):
        return dose[:, 1] + 0.01 * state.memory[:, 0].abs()


class Uniform:
    """Any of 25 actions."""

    noise_dim = 1

    def act(self, obs, allowed, noise):
        return (torch.special.ndtr(noise[:, 0]) * 25).long().clamp(max=24)

    def log_prob(self, obs, allowed, action):
        return torch.full((len(action),), -math.log(25))


@pytest.fixture
def toy():
    return ToyPatient()


@pytest.fixture
def uniform():
    return Uniform()


@pytest.fixture(scope="session")
def lstm():
    """A small ensemble fitted to the toy patient, so that it, too, is random and ends its stays."""
    stays = rollout(DoseTreatment(ToyPatient()), Uniform(), 200, seed=9).trajectories
    return fit_lstm(stays, stays, LSTMConfig(members=2, hidden=8, epochs=2))


CONTINUOUS, LSTM = "posology/Sepsis-v0 with continuous doses", "posology/Learned-v0 with an LSTM"
SCANS = "posology/Tumor-v0 with scans"


@pytest.fixture(params=[*ENVS, LSTM, f"{LSTM} and its belief", CONTINUOUS, SCANS])
def case(request):
    return request.param


@pytest.fixture
def name(case):
    """The name of every registered environment."""
    return case.split()[0]


@pytest.fixture
def options(case, request):
    """What the environment cannot do without."""
    if case.startswith(LSTM):
        return {"model": request.getfixturevalue("lstm"), "penalty": 0.1, "belief": case != LSTM}
    if case == CONTINUOUS:
        return {"action": "continuous"}
    if case == SCANS:
        return {"imaging": True}
    return {"model": ToyPatient()} if case == "posology/Learned-v0" else {}


@pytest.fixture
def ends_early(name):
    """Whether some stays end within a few decisions: nobody dies of HIV therapy or under anaesthesia here."""
    return name not in ("posology/Propofol-v0", "posology/Glucose-v0", "posology/HIV-v0")


@pytest.fixture
def irregular(name):
    """Whether visits are irregular, so that the horizon may come after fewer decisions."""
    return name == "posology/Warfarin-v0"


@pytest.fixture
def core(name, options):
    """The treatment of every registered environment."""
    return treatment(name, **options)


@pytest.fixture
def actions_for(core):
    """Random actions (steps, rows) or (steps, rows, U), as the environment takes them."""

    def draw(steps, rows, seed=0):
        rng = np.random.default_rng(seed)
        if core.actions is None:
            return rng.uniform(-1, 1, (steps, rows, len(core.spec.drugs))).astype(np.float32)
        return rng.integers(0, core.actions, (steps, rows))

    return draw
