"""Mechanistic patients in one batch against scipy on the same equations, one patient after the other.

The reference integrates only the equations; the batch also draws its noise, measures, and carries values forward. It
is scipy's compiled dopri5, which its documentation calls the older interface, or `solve_ivp`, the current one; both at
their default tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import ode, solve_ivp
from torch import Tensor

from ..contracts import PatientModel, PatientState
from ..patient_models.glucose import Glucose
from ..patient_models.glucose_memory import recall as recall_glucose
from ..patient_models.glucose_table import PARAMETERS, virtual_patients
from ..patient_models.hiv import HIV
from ..patient_models.hiv_memory import recall as recall_hiv
from ..patient_models.propofol import Propofol
from ..patient_models.propofol_memory import recall as recall_propofol
from ..patient_models.propofol_population import Eleveld
from ..patient_models.warfarin import Warfarin
from ..patient_models.warfarin_memory import recall as recall_warfarin
from ..patient_models.warfarin_population import HAMBERG
from ..trajectories.noise import normals, seeds
from .registry import Contest

ROWS = 4096
Array = NDArray[np.float64]
Slope = Callable[..., Array]
Integrator = Callable[[Slope, Array, float, tuple[Any, ...]], Array]


def dopri5(slope: Slope, y: Array, span: float, inputs: tuple[Any, ...]) -> Array:
    """The state after `span` by scipy's compiled Runge-Kutta method, through its older interface."""
    solver = ode(slope).set_integrator("dopri5").set_f_params(*inputs).set_initial_value(y, 0.0)
    return np.asarray(solver.integrate(span))


def current(slope: Slope, y: Array, span: float, inputs: tuple[Any, ...]) -> Array:
    """The state after `span` by `solve_ivp` with its default method."""
    return np.asarray(solve_ivp(slope, (0.0, span), y, args=inputs, t_eval=[span]).y[:, -1])


def hiv(integrate: Integrator = dopri5) -> Contest:
    """Five days of the six HIV equations on full therapy."""
    start = np.array((163_573.0, 5.0, 11_945.0, 45.6, 63_919.0, 23.5))
    model = HIV(variability=0.0, noise_sd=0.0)

    def check() -> None:
        state = model.admit(torch.ones(1, 1), torch.zeros(1, model.admit_noise_dim))
        after = model.step(state, torch.tensor([[0.7, 0.3]]), torch.tensor([120.0]), torch.zeros(1, 3))
        theirs = dopri5(_hiv, start, 5.0, (0.7, 0.3))
        assert abs(recall_hiv(after.memory, "virus").item() / theirs[4] - 1) < 0.01

    reference = _repeat(integrate, _hiv, start, 5.0, (0.7, 0.3))
    return Contest(reference, _batch(HIV(), [0.7, 0.3], 120.0, 4), check, "patient steps of 5 days", 800.0)


def propofol(integrate: Integrator = dopri5) -> Contest:
    """Five seconds of three compartments and three effect sites."""
    start, inputs = np.zeros(6), (9.0,)
    model = Propofol(variability=0.0, arousal=0.0, noise_sd=0.0)

    def check() -> None:
        state = model.admit(torch.tensor([[35.0, 70.0, 170.0, 1.0]]), torch.zeros(1, model.admit_noise_dim))
        dose = torch.tensor([[9.0 * 60 / 70]])
        for _ in range(12):
            state = model.step(state, dose, torch.tensor([5 / 3600]), torch.zeros(1, 2))
        theirs = dopri5(_propofol, start, 1.0, inputs)
        assert abs(recall_propofol(state.memory, "past_0").item() / theirs[3] - 1) < 1e-3

    reference = _repeat(integrate, _propofol, start, 5 / 60, inputs)
    return Contest(reference, _batch(Propofol(), [8.0], 5 / 3600, 10), check, "patient steps of 5 s", 800.0)


def glucose(integrate: Integrator = dopri5) -> Contest:
    """Five minutes of the thirteen glucose equations, inputs constant for a minute at a time."""
    table = virtual_patients()
    start = table.rest[:, 0].double().numpy()
    p = dict(zip(PARAMETERS, table.parameters[:, 0].double().tolist(), strict=True))
    model = Glucose(variability=0.0, noise=0.0, basal_step=0.0, days=1)
    inputs = (p, 0.0, 2 * p["u2ss"], 60_000.0)

    def check() -> None:
        advice = torch.stack((table.advice[2, 0], table.parameters[0, 0], *table.advice[:2, 0]))
        basal = torch.tensor([p["u2ss"] * p["BW"] / 100])
        context = torch.cat((advice, basal, table.advice[3:, 0]))[None]
        state = model.admit(context, torch.zeros(1, model.admit_noise_dim))
        theirs = start
        for _ in range(24):
            state = model.step(state, torch.tensor([[2.0, 0.0]]), torch.tensor([1 / 12]), torch.zeros(1, 2))
            theirs = dopri5(_glucose, theirs, 5.0, (p, 0.0, 2 * p["u2ss"], 0.0))
        assert abs(recall_glucose(state.memory, "body_4").item() / theirs[3] - 1) < 1e-3

    reference = _repeat(integrate, _glucose, start, 1.0, inputs, pieces=5)
    batch = _batch(Glucose(), [1.0, 0.3], 1 / 12, 4)
    return Contest(reference, batch, check, "patient steps of 5 min", 300.0)


def warfarin() -> Contest:
    """Four weeks of a tablet a day: two compartments and six stages of clotting factors."""
    start, inputs, days = np.zeros(8), (_CLEARANCE / HAMBERG.volume, _HALF), 28
    model = Warfarin(variability=0.0, sway=0.0, missed=0.0, noise_sd=0.0, events=False)

    def four_weeks(y: Array) -> Array:
        for _ in range(days):
            y = y + np.eye(8)[0] * 5.0 * HAMBERG.active
            y = dopri5(_warfarin, y, 24.0, inputs)
        return y

    def check() -> None:
        person = torch.tensor([[71.0, 80.0, 170.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
        state = model.admit(person, torch.zeros(1, model.admit_noise_dim))
        after = model.step(state, torch.tensor([[5.0]]), torch.tensor([672.0]), torch.zeros(1, model.noise_dim))
        theirs = four_weeks(start)
        assert abs(recall_warfarin(after.memory, "inr").item() - (1.05 + 10 * (theirs[4] + theirs[7]))) < 0.002

    def reference() -> int:
        four_weeks(start)
        return 1

    return Contest(reference, _batch(Warfarin(), [5.0], 672.0, 4), check, "patient steps of 28 days", 800.0)


def hiv_solve_ivp() -> Contest:
    """The same against `solve_ivp`."""
    return hiv(current)


def propofol_solve_ivp() -> Contest:
    """The same against `solve_ivp`."""
    return propofol(current)


def glucose_solve_ivp() -> Contest:
    """The same against `solve_ivp`."""
    return glucose(current)


def _repeat(
    integrate: Integrator,
    slope: Slope,
    start: Array,
    span: float,
    inputs: tuple[Any, ...],
    *,
    pieces: int = 1,
    steps: int = 40,
) -> Callable[[], int]:
    """One patient after the other: `steps` steps of `pieces` spans each, from where the last one ended."""

    def run() -> int:
        y = start
        for _ in range(steps * pieces):
            y = integrate(slope, y, span, inputs)
        return steps

    return run


def _batch(model: PatientModel, dose: list[float], hours: float, steps: int) -> Callable[[], int]:
    """All rows at once, for `steps` steps with their noise."""
    rows = seeds(0, ROWS)
    zero = torch.zeros_like(rows)
    start: PatientState = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim))
    given: Tensor = torch.tensor([dose]).expand(ROWS, -1)
    duration = torch.full((ROWS,), hours)

    @torch.no_grad()
    def run() -> int:
        state = start
        for t in range(steps):
            state = model.step(state, given, duration, normals(rows, zero, zero + t, model.noise_dim))
        return steps * ROWS

    return run


def _hiv(_: float, y: Array, first: float, second: float) -> Array:
    t1, t2, i1, i2, v, e = y
    new1, new2, infected = (1 - first) * 8e-7 * v * t1, (1 - 0.34 * first) * 1e-4 * v * t2, i1 + i2
    return np.array(
        (
            10_000 - 0.01 * t1 - new1,
            31.98 - 0.01 * t2 - new2,
            new1 - 0.7 * i1 - 1e-5 * e * i1,
            new2 - 0.7 * i2 - 1e-5 * e * i2,
            (1 - second) * 70 * infected - 13 * v - new1 - new2,
            1 + (0.3 * infected / (infected + 100) - 0.25 * infected / (infected + 500) - 0.1) * e,
        )
    )


_REFERENCE = Eleveld().kinetics(torch.tensor([[35.0, 70.0, 170.0, 1.0]]))
_V1, _V2, _V3, _CL, _Q2, _Q3, _KE0 = (x.item() for x in _REFERENCE)


def _propofol(_: float, y: Array, rate: float) -> Array:
    central, fast, slow = y[0] / _V1, y[1] / _V2, y[2] / _V3
    to_fast, to_slow = _Q2 * (central - fast), _Q3 * (central - slow)
    sites = (_KE0 * (central - y[3]), 0.054 * (central - y[4]), 0.0695 * (central - y[5]))
    return np.array((rate - _CL * central - to_fast - to_slow, to_fast, to_slow, *sites))


_CLEARANCE, _HALF = 2 * HAMBERG.clearance[0], sum(HAMBERG.half_effect) * HAMBERG.half_effect_scale * HAMBERG.volume
_FAST, _SLOW = (3 / hours for hours in HAMBERG.transit)


def _warfarin(_: float, y: Array, elimination: float, half: float) -> Array:
    ratio = (max(y[1], 0.0) / half) ** HAMBERG.hill
    effect = ratio / (1 + ratio)
    entering = HAMBERG.absorption * y[0]
    return np.array(
        (
            -entering,
            entering - elimination * y[1],
            _FAST * (effect - y[2]),
            _FAST * (y[2] - y[3]),
            _FAST * (y[3] - y[4]),
            _SLOW * (effect - y[5]),
            _SLOW * (y[5] - y[6]),
            _SLOW * (y[6] - y[7]),
        )
    )


def _glucose(_: float, x: Array, p: dict[str, float], food: float, insulin: float, meal: float) -> Array:
    stomach, emptying = x[0] + x[1], p["kmax"]
    if meal > 0:
        up = np.tanh(2.5 / (meal * (1 - p["b"])) * (stomach - p["b"] * meal))
        emptying = p["kmin"] + (p["kmax"] - p["kmin"]) / 2 * (
            up - np.tanh(2.5 / (meal * p["d"]) * (stomach - p["d"] * meal)) + 2
        )
    level, exchanged = x[5] / p["Vi"], p["k1"] * x[3] - p["k2"] * x[4]
    produced = max(p["kp1"] - p["kp2"] * x[3] - p["kp3"] * x[8], 0.0)
    appearing = p["f"] * p["kabs"] * x[2] / p["BW"]
    return np.array(
        (
            food - p["kmax"] * x[0],
            p["kmax"] * x[0] - emptying * x[1],
            emptying * x[1] - p["kabs"] * x[2],
            produced + appearing - p["Fsnc"] - p["ke1"] * max(x[3] - p["ke2"], 0.0) - exchanged,
            exchanged - (p["Vm0"] + p["Vmx"] * x[6]) * x[4] / (p["Km0"] + x[4]),
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
