"""Meals and sensor of the glucose patient: published distributions, nothing eaten twice or lost."""

import pytest
import torch
from posology.patient_models.glucose import Glucose
from posology.patient_models.glucose_meals import announced, draw_meals, eaten, meal_noise
from posology.patient_models.glucose_memory import recall, unpack
from posology.patient_models.glucose_sensor import LATENT_SD, reading, wander
from torch import Tensor


def noise(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_meals_follow_their_distributions() -> None:
    starts, grams, estimates = draw_meals(noise(20_000, meal_noise(2)), 2, 0.2)
    taken = grams > 0
    assert torch.allclose(taken.float().mean(1)[:6], torch.tensor([0.95, 0.3, 0.95, 0.3, 0.95, 0.3]), atol=0.03)
    means = torch.stack([grams[k][taken[k]].mean() for k in (0, 2, 4)])
    assert torch.allclose(means, torch.tensor([45.0, 70.0, 80.0]), atol=0.5)
    hours = torch.tensor([7.0, 9.5, 12.0, 15.0, 18.0, 21.5])
    assert torch.allclose(starts.mean(1), torch.cat((hours, hours + 24)), atol=0.05)
    for k, (early, late) in enumerate(((5, 9), (9, 10), (10, 14), (14, 16), (16, 20), (20, 23))):
        assert early - 0.01 <= starts[k].min() and starts[k].max() <= late + 0.01  # noqa: PT018
    error = (estimates[0] / grams[0])[taken[0]].log()
    assert error.std().item() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("hours", [5 / 60, 1.0, 3.7])
def test_every_meal_is_announced_once_and_eaten_whole(hours: float) -> None:
    model = Glucose(days=1)
    m = unpack(model.admit(None, noise(200, model.admit_noise_dim)).memory, 1)
    told, before, steps = torch.zeros(200), torch.zeros(200), round(25 / hours)
    for k in range(steps):
        after = torch.full((200,), (k + 1) * hours)
        told += announced(m, before, after)
        before = after
    assert torch.allclose(told, m.estimates.sum(0), atol=1e-3)
    assert torch.allclose(eaten(m, before), 1000 * m.grams.sum(0))


def test_decisions_may_follow_the_meals() -> None:
    model = Glucose(days=1, interval_hours=0.5, longest_hours=4.0, substep_minutes=5.0)
    assert model.substeps == 48
    state = model.admit(None, noise(50, model.admit_noise_dim))
    told = torch.zeros(50)
    for _ in range(14):
        hours = model.next_decision(state)
        assert hours.min() >= 5 / 60 - 1e-6
        assert hours.max() <= 4.0
        dose = torch.tensor([[1.0, 0.0]]).expand(50, 2)
        state = model.step(state, dose, hours, torch.zeros(50, 2))
        told += state.vitals[:, 2]
    m = unpack(state.memory, 1)
    passed = torch.where(m.starts <= state.hours + 1e-3, m.estimates, 0.0).sum(0)
    assert torch.allclose(told, passed, atol=1e-2)


@pytest.mark.parametrize("hours", [5 / 60, 0.25, 2.0])
def test_sensor_noise_has_one_distribution_whatever_the_step(hours: float) -> None:
    z = noise(20_000, 3)
    latent = LATENT_SD * z[:, 0]
    later = wander(latent, torch.full((20_000,), hours), z[:, 1])
    assert later.std().item() == pytest.approx(LATENT_SD, rel=0.03)
    together = torch.corrcoef(torch.stack((latent, later)))[0, 1].item()
    assert together == pytest.approx(0.7 ** (hours / 0.25), abs=0.02)


def test_sensor_error_is_the_published_johnson_distribution() -> None:
    """SU with gamma -.5444, lambda 15.9574, delta 1.6898, xi -5.47 of a normal of SD .98."""
    error = reading(torch.full((200_000,), 200.0), LATENT_SD * noise(200_000, 1)[:, 0], 1.0) - 200
    x = LATENT_SD * torch.linspace(-6, 6, 4001, dtype=torch.float64)
    density = torch.exp(-0.5 * (x / LATENT_SD) ** 2)
    value = -5.47 + 15.9574 * torch.sinh((x + 0.5444) / 1.6898)
    mean = (value * density).sum() / density.sum()
    assert error.mean().item() == pytest.approx(mean.item(), abs=0.1)
    assert (reading(torch.tensor([10.0, 900.0]), torch.zeros(2), 1.0) == torch.tensor([39.0, 600.0])).all()


def test_sensor_is_read_every_five_minutes() -> None:
    model = Glucose(days=1, interval_hours=1 / 60)
    state = model.admit(None, noise(3, model.admit_noise_dim))
    seen = []
    for _ in range(10):
        state = model.step(state, torch.zeros(3, 2), torch.full((3,), 1 / 60), torch.zeros(3, 2))
        seen.append(state.seen[0, 0].item())
    assert [k + 1 for k, s in enumerate(seen) if s] == [5, 10]


def test_sensitivity_drifts_around_its_mean() -> None:
    model = Glucose(days=1, interval_hours=0.5, substep_minutes=30.0)
    state = model.admit(None, noise(4000, model.admit_noise_dim))
    for k in range(3):
        state = model.step(state, torch.zeros(4000, 2), torch.full((4000,), 0.5), noise(4000, 2, k + 1))
    assert recall(state.memory, "sensitivity").std().item() == pytest.approx(0.15, rel=0.04)
