"""Small recorded cohorts for the learned patients: one with known linear truth, one of the built-in sepsis patients."""

import math

import pytest
import torch
from posology.contracts import Drug, Feature, Spec, Trajectories
from posology.envs import treatment
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.trajectories.carry import carry, pad, unmeasured
from posology.trajectories.rollout import rollout
from posology.trajectories.scaling import Scaler

TOY = Spec(
    features=(
        Feature("map", "mmHg", 0.0, 300.0, (60.0, 90.0), max_age=12.0),
        Feature("lactate", "mmol/L", 0.01, 400.0, (1.0, 5.0), scale="log", max_age=24.0),
        Feature("ventilated", "", 0.0, 1.0, (0.0, 1.0), scale="category", max_age=8.0, levels=("no", "yes")),
    ),
    drugs=(
        Drug("fluid", "mL/h", 8000.0, (0.0, 150.0, 650.0), (75.0, 400.0)),
        Drug("norepinephrine", "ug/kg/min", 2.0, (0.0, 0.07, 0.30), (0.0, 0.15)),
    ),
    context=(
        Feature("age", "years", 18.0, 120.0, (50.0, 80.0)),
        Feature("diabetes", "", 0.0, 1.0, (0.0, 1.0), scale="category", levels=("no", "yes")),
    ),
)
DECAY, GAIN, NOISE = 0.7, 1.5, 0.2  # of the scaled pressure: what stays per step, dose effect, SD
MEASURED = (0.9, 0.5, 0.6)
DEATH = 0.01  # per hour


def toy_stays(stays: int, steps: int = 8, seed: int = 0, measured: tuple[float, ...] = MEASURED) -> Trajectories:
    """Stays whose scaled pressure is a linear autoregression driven by norepinephrine; they die at a constant rate."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g)

    scaler = Scaler.of(TOY.features)
    context = torch.stack([60 + 12 * normal(stays), (torch.rand(stays, generator=g) < 0.3).float()], 1)
    latent = torch.stack([-1 + 0.5 * normal(stays), 0.6 * normal(stays), (normal(stays) > 0).float()], 1)
    latent[:, 0] += 0.3 * (context[:, 0] - 60) / 12
    vitals, seen, age = unmeasured(TOY, stays)
    hours = torch.full((stays,), 4.0)
    rows = []
    doses = []
    for _ in range(steps + 1):
        seen = torch.rand(stays, 3, generator=g) < torch.tensor(measured)
        vitals, age = carry(TOY, vitals, age, hours, scaler.unscale(latent), seen)
        rows.append((vitals, seen, age))
        level = torch.tensor([0.0, 0.07, 0.30])[torch.randint(3, (stays,), generator=g)]
        doses.append(torch.stack([150.0 * torch.randint(2, (stays,), generator=g), level], 1))
        pressure = DECAY * latent[:, 0] + GAIN * (level / 0.30).sqrt() - 0.5 + NOISE * normal(stays)
        latent = torch.stack([pressure, 0.9 * latent[:, 1] + 0.2 * normal(stays), latent[:, 2]], 1)
    left = -torch.log(torch.rand(stays, generator=g)) / DEATH
    died = left < 4.0 * steps
    length = torch.where(died, (left / 4).floor().long() + 1, steps)
    mask = torch.arange(steps) < length[:, None]
    return pad(
        Trajectories(
            spec=TOY,
            vitals=torch.stack([r[0] for r in rows], 1),
            seen=torch.stack([r[1] for r in rows], 1),
            age=torch.stack([r[2] for r in rows], 1),
            context=context,
            dose=torch.stack(doses[:-1], 1),
            hours=torch.where(mask, 4.0, 0.0),
            mask=mask,
            outcome=torch.where(died, 2, 0),
            subject=torch.arange(stays),
            site=torch.zeros(stays, dtype=torch.int64),
        )
    )


def longer(stays: Trajectories, extra: int) -> Trajectories:
    """The same stays with `extra` decisions of padding."""

    def more(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, torch.zeros_like(x[:, :1]).expand(-1, extra, *x.shape[2:])], 1)

    names = ("vitals", "seen", "age", "dose", "hours", "mask")
    return pad(stays.replace(**{name: more(getattr(stays, name)) for name in names}))


@pytest.fixture(scope="session")
def toy() -> Trajectories:
    stays = toy_stays(600)
    assert math.isclose(float((stays.outcome == 2).float().mean()), 1 - math.exp(-DEATH * 32), abs_tol=0.06)
    return stays


@pytest.fixture(scope="session")
def sepsis() -> Trajectories:
    """1,500 stays to learn from, 300 to stop on, 1,800 held out: rows 0, 1500 and 1800 on."""
    return rollout(treatment("posology/Sepsis-v0"), SepsisClinician(), 3600, seed=11).trajectories


@pytest.fixture
def make_toy():
    return toy_stays


@pytest.fixture
def lengthen():
    return longer
