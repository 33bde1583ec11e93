"""The tumour patient in one batch against scipy, patient by patient; pictures in batches against singly."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import ode

from ..patient_models.imaging.lesion import Lesions
from ..patient_models.imaging.render import render
from ..patient_models.tumor import Tumor
from ..patient_models.tumor_memory import recall
from ..patient_models.tumor_spec import WEEK
from ..trajectories.noise import normals, seeds
from .registry import Contest

ROWS, PICTURES = 4096, 256
Array = NDArray[np.float64]


def tumor() -> Contest:
    """A week of the tumour's daily map and of eight equations of docetaxel and marrow."""
    model = Tumor(variability=0.0)

    def check() -> None:
        state = model.admit(None, torch.zeros(1, model.admit_noise_dim))
        volume = recall(state.memory, "volume").item()
        after = model.step(state, torch.tensor([[2.5, 10.0]]), torch.full((1,), WEEK), torch.zeros(1, model.noise_dim))
        alpha, growth, chemo = (recall(state.memory, n).item() for n in ("alpha", "growth", "chemosensitivity"))
        cells, size = _week(np.array([0.0] * 3 + [3.4] * 5), volume, (alpha, growth, chemo))
        assert abs(recall(after.memory, "cells_4").item() / cells[-1] - 1) < 0.01
        assert abs(recall(after.memory, "volume").item() / size - 1) < 0.01

    def reference() -> int:
        cells, size = np.array([0.0] * 3 + [3.4] * 5), 100.0
        for _ in range(6):
            cells, size = _week(cells, size, (0.07, 0.006, 0.028))
        return 6

    rows = seeds(0, ROWS)
    zero = torch.zeros_like(rows)
    patients = Tumor()
    start = patients.admit(None, normals(rows, zero, zero, patients.admit_noise_dim))
    dose, hours = torch.tensor([[2.5, 10.0]]).expand(ROWS, -1), torch.full((ROWS,), WEEK)

    @torch.no_grad()
    def candidate() -> int:
        state = start
        for t in range(2):
            state = patients.step(state, dose, hours, normals(rows, zero, zero + t, patients.noise_dim))
        return 2 * ROWS

    return Contest(reference, candidate, check, "patient steps of a week", 800.0)


def pictures() -> Contest:
    """CT-like slices with their masks, 96 x 96 pixels."""
    z = torch.randn(3, PICTURES, generator=torch.Generator().manual_seed(0))
    lesions = Lesions(torch.exp(3 + 1.5 * z[0]), 1 + z[1].abs() / 4, z[1], z[2])

    def check() -> None:
        together = render(lesions)
        for row in (0, 100, 255):
            assert torch.allclose(
                render(Lesions(*(x[row : row + 1] for x in lesions))).hu[0], together.hu[row], atol=0.02
            )

    def reference() -> int:
        for row in range(32):
            render(Lesions(*(x[row : row + 1] for x in lesions)))
        return 32

    def candidate() -> int:
        render(lesions)
        return PICTURES

    return Contest(reference, candidate, check, "pictures", 3.0)


def _week(y: Array, volume: float, traits: tuple[float, float, float]) -> tuple[Array, float]:
    """Plasma, tissues and marrow, and the tumour, after a week with 2.5 units and 10 Gy."""
    left = 0.0
    for day in range(7):
        units, gray = min(max(2.5 - day, 0.0), 1.0), 2.0 if day < 5 else 0.0
        y = y + np.array([40 * units] + [0.0] * 7)
        y = np.asarray(ode(_marrow).set_integrator("dopri5").set_initial_value(y, 0.0).integrate(24.0))
        left += 5 * units
        killed = traits[2] * left + traits[0] * gray * (1 + gray / 10)
        volume *= 1 + traits[1] * np.log(np.pi * 30**3 / 6 / volume) - killed
        left /= 2
    return y, volume


def _marrow(_: float, y: Array) -> Array:
    central, fast, slow, p, t1, t2, t3, n = y
    c, k = central / 6.94, 4 / 113
    to_fast, to_slow = 5.58 * (c - fast / 7.39), 12.5 * (c - slow / 225)
    growing = k * p * ((1 - 17.9 * c) * (3.4 / n) ** 0.196 - 1)
    chain = (k * (p - t1), k * (t1 - t2), k * (t2 - t3), k * (t3 - n))
    return np.array((-35.7 * c - to_fast - to_slow, to_fast, to_slow, growing, *chain))
