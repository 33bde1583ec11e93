"""The HIV patient against the published figures, and against scipy on the same equations."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posology.patient_models.hiv import HIV
from posology.patient_models.hiv_dynamics import Rates, slope
from posology.patient_models.hiv_memory import HIVMemory, recall
from posology.patient_models.hiv_patients import TRAITS
from posology.patient_models.hiv_reward import DISCOUNT, benefit
from scipy.integrate import solve_ivp
from torch import Tensor

PUBLISHED = HIV(variability=0.0, noise_sd=0.0)
Array = NDArray[np.float64]
Plan = Callable[[int], tuple[float, float]]


def none(t: int) -> tuple[float, float]:
    return 0.0, 0.0


def full(t: int) -> tuple[float, float]:
    return 0.7, 0.3


def cycling(t: int) -> tuple[float, float]:
    return full(t) if (t // 6) % 2 == 0 else none(t)


def right_hand_side(_: float, y: Array, e1: float, e2: float) -> Array:
    """Equation 2.1 of Adams et al. (2004), written out with the numbers of their table 1."""
    t1, t2, i1, i2, v, e = y
    infected = i1 + i2
    new1, new2 = (1 - e1) * 8e-7 * v * t1, (1 - 0.34 * e1) * 1e-4 * v * t2
    return np.array(
        (
            10_000 - 0.01 * t1 - new1,
            31.98 - 0.01 * t2 - new2,
            new1 - 0.7 * i1 - 1e-5 * e * i1,
            new2 - 0.7 * i2 - 1e-5 * e * i2,
            (1 - e2) * 100 * 0.7 * infected - 13 * v - new1 - new2,
            1 + 0.3 * infected / (infected + 100) * e - 0.25 * infected / (infected + 500) * e - 0.1 * e,
        )
    )


@functools.cache
def reference(plan: Plan, steps: int) -> Array:
    """States (steps, 6) every five days, integrated to 1e-9."""
    y = np.array((163_573.0, 5.0, 11_945.0, 45.6, 63_919.0, 23.5))
    states = []
    for t in range(steps):
        y = solve_ivp(right_hand_side, (0, 5), y, method="LSODA", rtol=1e-9, atol=1e-9, args=plan(t)).y[:, -1]
        states.append(y)
    return np.array(states)


def admitted(model: HIV, rows: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, model.admit_noise_dim, generator=torch.Generator().manual_seed(seed))


@functools.cache
def courses(model: HIV, plans: tuple[Plan, ...], steps: int, days: float = 5.0) -> tuple[Array, Array]:
    """States (steps, plans, 6) of the same patient, who takes every tablet, and the discounted returns (plans,)."""
    rows = len(plans)
    state = model.admit(torch.ones(rows, 1), admitted(model).expand(rows, -1))
    hours, total, states = torch.full((rows,), 24 * days), torch.zeros(rows), []
    for t in range(steps):
        dose = torch.tensor([plan(t) for plan in plans])
        state = model.step(state, dose, hours, torch.zeros(rows, model.noise_dim))
        total += DISCOUNT**t * benefit(state, dose, hours)
        states.append(state.memory[:, len(TRAITS) :].double().numpy())
    return np.array(states), total.double().numpy()


def test_untreated_set_point_is_the_published_one() -> None:
    state = PUBLISHED.admit(torch.ones(1, 1), admitted(PUBLISHED))
    populations = state.memory[0, len(TRAITS) :]
    assert torch.allclose(populations, torch.tensor([163_573, 5.0, 11_945, 45.6, 63_919, 23.5]), rtol=2e-3)
    assert state.vitals[0, 0].item() == pytest.approx(175.5, rel=1e-3)  # cells/uL: healthy and infected


def test_everybody_begins_in_a_steady_state() -> None:
    model = HIV()
    state = model.admit(None, admitted(model, 500))
    after = model.step(state, torch.zeros(500, 2), torch.full((500,), 120.0), torch.zeros(500, 3))
    before, now = (s.memory[:, len(TRAITS) :] for s in (state, after))
    assert (now / before - 1).abs().max() < 0.005


def test_slope_is_the_published_right_hand_side() -> None:
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(np.log([2e5, 10, 5e3, 30, 5e4, 50])[:, None], 1.0, (6, 40)))
    e = rng.uniform(0, (0.7, 0.3), (40, 2))
    memory = HIVMemory(*(torch.full((40,), t) for t in TRAITS), *torch.tensor(y, dtype=torch.float32))
    rates = Rates.of(memory, tuple(torch.tensor(e, dtype=torch.float32).unbind(1)), torch.ones(40))
    ours, _ = slope(torch.tensor(y, dtype=torch.float32), rates)
    theirs = np.stack([right_hand_side(0, y[:, i], *e[i]) for i in range(40)], 1)
    scale = np.abs(y) + np.abs(theirs)  # parts cancel
    assert (np.abs(ours.numpy() - theirs) / scale).max() < 1e-4


def test_discounted_returns_are_the_published_ones() -> None:
    """8.4e5 untreated, 2.00e6 on full therapy, 4.8e5 cycling: 200 steps of five days, discount .98.

    The figures to six places are those of the equations of `right_hand_side`, integrated to 1e-9.
    """
    returns = courses(PUBLISHED, (none, full, cycling), 200)[1]
    assert returns == pytest.approx([842_351, 2_001_824, 477_487], rel=3e-3)


@pytest.mark.parametrize(("plan", "tolerance"), [(full, 0.006), (cycling, 0.05)])
def test_course_agrees_with_scipy(plan: Plan, tolerance: float) -> None:
    theirs = reference(plan, 24)
    ours = courses(PUBLISHED, (plan,), 24)[0][:, 0]
    assert np.abs(np.log(ours / theirs)).max() < tolerance
    assert np.abs(np.log(ours / theirs))[:, 5].max() < 0.003  # effectors
    finer = courses(HIV(variability=0, noise_sd=0, substep_hours=1.5), (plan,), 24)[0][:, 0]
    assert np.abs(np.log(finer / theirs)).max() < 0.1 * tolerance + 1e-3  # second order


def test_step_length_changes_nothing_but_rounding() -> None:
    once, twice = courses(PUBLISHED, (full,), 8)[0], courses(PUBLISHED, (full,), 16, 2.5)[0]
    assert np.abs(np.log(once / twice[1::2])).max() < 0.006


def test_full_therapy_is_the_best_constant_plan() -> None:
    plans = (none, lambda t: (0.7, 0.0), lambda t: (0.0, 0.3), lambda t: (0.35, 0.15), full)
    assert courses(PUBLISHED, plans, 60)[1].argmax() == len(plans) - 1


def test_adherence_lets_a_share_of_continuous_doses_through() -> None:
    model, hours = PUBLISHED, torch.full((2,), 120.0)
    state = model.admit(torch.tensor([[1.0], [0.5]]), admitted(model).expand(2, -1))
    after = model.step(state, torch.tensor([[0.4, 0.2], [0.7, 0.3]]), hours, torch.zeros(2, 3))
    half = model.step(state, torch.tensor([[0.35, 0.15]] * 2), hours, torch.zeros(2, 3))  # continuous doses
    assert recall(after.memory, "virus")[1].item() == pytest.approx(recall(half.memory, "virus")[0].item(), rel=1e-5)


def test_nobody_controls_the_infection_untreated() -> None:
    model = HIV()
    memory: Tensor = model.admit(None, admitted(model, 2000)).memory
    assert recall(memory, "virus").min() > 5000
    assert recall(memory, "effectors").max() < 101


def test_cytotoxic_cells_are_counted_monthly() -> None:
    state = PUBLISHED.admit(torch.ones(1, 1), admitted(PUBLISHED))
    seen = []
    for _ in range(12):
        state = PUBLISHED.step(state, torch.zeros(1, 2), torch.full((1,), 120.0), torch.zeros(1, 3))
        seen.append(state.seen[0].tolist())
    assert [t + 1 for t, row in enumerate(seen) if row[2]] == [6, 12]
    assert all(row[0] and row[1] for row in seen)


def test_viral_load_is_read_with_the_stated_noise() -> None:
    model = HIV(variability=0.0)
    state = model.admit(torch.ones(4000, 1), admitted(model, 4000))
    assert state.vitals[:, 1].log10().std().item() == pytest.approx(0.2, rel=0.05)


def test_wrong_shapes_and_settings_are_errors() -> None:
    with pytest.raises(ValueError, match=r"noise: expected shape \(B, 9\)"):
        PUBLISHED.admit(None, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="context"):
        PUBLISHED.admit(torch.zeros(4, 2), torch.zeros(4, 9))
    with pytest.raises(ValueError, match="positive"):
        HIV(substep_hours=0)
