"""What is measured of a sepsis patient, how noisily, and how often. Every noise and schedule is a design choice."""

from __future__ import annotations

import torch
from torch import Tensor

from .sepsis_dynamics import ENDOGENOUS
from .sepsis_memory import SepsisMemory

OBSERVATION_NOISE = 12  # columns, one per feature
_EPSILON = 1e-3  # hours: a decision at 11.9999 h is the one at 12 h


def opacity(m: SepsisMemory) -> Tensor:
    """Chest-film opacity (B,) 0..1: O0 + (1 - O0)(1 - e^(-.5 W))."""
    return (m.film_floor + (1 - m.film_floor) * (1 - torch.exp(-0.5 * m.lung_water))).clamp(0, 1)


def measure(m: SepsisMemory, weight: Tensor, norepinephrine: Tensor, noise: Tensor) -> Tensor:
    """What every instrument would show (B, 12), from weight (kg), norepinephrine (ug/kg/min) and noise (B, 12)."""
    z = noise.unbind(1)
    film = opacity(m)
    over = (ENDOGENOUS + norepinephrine * weight / m.clearance - m.toxic_concentration) / 3
    fast = 0.8 * (m.lactate - 2).clamp(0, 8)
    values = (
        (m.pressure + 3 * z[0]).clamp(0, 300),
        (m.heart_rate + 3 * z[1]).clamp(0, 300),
        (0.08 + m.arrhythmic * (0.04 + 0.12 * torch.sigmoid(over)) + 0.05 * z[2]).clamp(0, 0.5),
        (97.5 - 11 * film - 0.10 * m.organ + 1.2 * z[3]).clamp(70, 100),
        (14 + 4 * m.infection + 10 * film + fast + 2 * z[4]).clamp(8, 50),
        (36.8 + 1.6 * m.infection + 0.3 * z[5]).clamp(25, 45),
        (m.urine * torch.exp(0.2 * z[6])).clamp(0, 200),
        (m.lactate * torch.exp(0.08 * z[7])).clamp(0.1, 40),
        torch.round(m.organ + 0.7 * z[8]).clamp(0, 24),
        (m.creatinine * torch.exp(0.05 * z[9])).clamp(0.05, 30),
        ((7 + 9 * m.infection) * m.wbc_factor * torch.exp(0.08 * z[10])).clamp(0.1, 400),
        (film + 0.04 * z[11]).clamp(0, 1),
    )
    return torch.stack(values, 1)


def due(before: Tensor, after: Tensor) -> Tensor:
    """Which features (B, 12) bool are measured after `before` and until `after` (B,) hours since admission.

    Lactate 4-hourly to 24 h, then 8-hourly; creatinine 12-hourly; white cells daily; film at 4 h and 12-hourly;
    everything else at every decision.
    """
    early, late = before + _EPSILON, after + _EPSILON
    counts = [
        (_lactates(late) > _lactates(early)),
        (late / 12).floor() > (early / 12).floor(),
        (late / 24).floor() > (early / 24).floor(),
        (_films(late) > _films(early)),
    ]
    always = torch.ones_like(counts[0])
    return torch.stack((*[always] * 7, counts[0], always, *counts[1:]), 1)


def _lactates(hours: Tensor) -> Tensor:
    return torch.where(hours <= 24 + 2 * _EPSILON, (hours / 4).floor(), 3 + (hours / 8).floor())


def _films(hours: Tensor) -> Tensor:
    return (hours / 12).floor() + (hours >= 4)


def remember(m: SepsisMemory, measured: Tensor) -> SepsisMemory:
    """The memory after a further observation (B, 12): running irregularity, and the answer to the first fluids."""
    spo2, film = measured[:, 3], measured[:, 11]
    count = m.observations + 1
    first, second = count == 1, count == 2
    first_film = torch.where(first, film, m.first_film)
    first_spo2 = torch.where(first, spo2, m.first_spo2)
    wetness = (film - first_film) / 0.10 + (first_spo2 - spo2) / 6
    return m._replace(
        observations=count,
        mean_irregularity=m.mean_irregularity + (measured[:, 2] - m.mean_irregularity) / count,
        first_film=first_film,
        first_spo2=first_spo2,
        wetness=torch.where(second, wetness, m.wetness),
    )
