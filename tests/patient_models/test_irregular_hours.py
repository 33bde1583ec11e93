"""Decisions at irregular times: a learned patient knows how much happens in how many hours."""

import math

import pytest
import torch
from posology.envs.dose_treatment import DoseTreatment
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.trajectories.carry import pad

LAG, TARGET, NOISE, DEATH = 6.0, 0.5, 0.6, 0.01  # hours, scaled pressure, SD of a step, per hour


@pytest.fixture(scope="module")
def irregular(toy):
    """Pressure settles at TARGET with a lag of LAG hours; decisions come after 1 to 12 hours."""
    g, stays, steps = torch.Generator().manual_seed(0), 600, 8
    hours = torch.randint(1, 13, (stays, steps), generator=g).float()
    course = [0.5 * torch.randn(stays, generator=g)]
    for t in range(steps):
        kept = torch.exp(-hours[:, t] / LAG)
        course.append(TARGET + kept * (course[-1] - TARGET) + NOISE * torch.randn(stays, generator=g))
    vitals = toy.vitals[:stays].clone()
    vitals[:, :, 0] = 75 + 15 * torch.stack(course, 1)
    left = -torch.log(torch.rand(stays, generator=g)) / DEATH
    length = (hours.cumsum(1) < left[:, None]).sum(1)
    died = length < steps
    mask = torch.arange(steps) < (length + died)[:, None]
    seen = torch.ones_like(toy.seen[:stays])
    return pad(
        toy.rows(torch.arange(stays)).replace(
            vitals=vitals,
            seen=seen,
            age=torch.zeros_like(vitals),
            hours=hours,
            mask=mask,
            outcome=torch.where(died, 2, 0),
        )
    )


@pytest.fixture(scope="module")
def model(irregular):
    config = LSTMConfig(members=1, hidden=16, epochs=20, batch_size=32)
    return fit_lstm(irregular.rows(torch.arange(480)), irregular.rows(torch.arange(480, 600)), config)


def test_no_step_is_the_only_one(model):
    assert model.fixed_hours is None and model.setting.longest_hours == 12
    DoseTreatment(model, interval_hours=1.0)
    DoseTreatment(model, interval_hours=12.0)


def test_more_happens_in_more_hours(model, irregular):
    first = model.resume(irregular).rows(torch.arange(600) * 9)
    dose = irregular.dose[:, 0]
    for hours in (1.0, 4.0, 12.0):
        found = model.forecast(first, dose, torch.full((600,), hours))
        start = model.setting.layout.values(first.vitals)[:, 0]
        expected = TARGET + math.exp(-hours / LAG) * (start - TARGET)
        assert (found.mean[:, 0] - expected).abs().mean() < 0.1, hours
        assert float(found.risk[:, 1].mean()) == pytest.approx(1 - math.exp(-DEATH * hours), rel=0.35)


def test_rows_of_different_hours_step_together(model, irregular):
    state = model.admit(None, torch.randn(6, model.admit_noise_dim, generator=torch.Generator().manual_seed(1)))
    hours, noise = torch.tensor([1.0, 2.0, 3.0, 5.0, 8.0, 12.0]), torch.zeros(6, model.noise_dim)
    together = model.step(state, torch.zeros(6, 2), hours, noise)
    for row in range(6):
        only = torch.tensor([row])
        alone = model.step(state.rows(only), torch.zeros(1, 2), hours[only], noise[only])
        assert torch.allclose(alone.vitals, together.vitals[only], atol=1e-4)
    assert torch.equal(together.hours, hours)
