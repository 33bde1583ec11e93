"""When and how much a virtual patient eats: six meals a day, drawn at admission, and eaten at 5 g/min.

Times, amounts and probabilities are those of the random scenario published with the table of virtual patients;
days begin at midnight. How far patients misjudge carbohydrates is a design choice.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr, ndtri

from .glucose_memory import MEALS_A_DAY, GlucoseMemory

PER_MEAL_NOISE = 4  # columns: eaten at all, when, how much, taken for how much
EATING = 5.0 * 1000 * 60  # mg/h
_INSTANT = 1e-3  # hours: a meal at the very moment of a decision is announced at it
_MEALS = (  # probability; hours: earliest, usual, latest, SD; grams: mean, SD
    (0.95, 5.0, 7.0, 9.0, 1.0, 45.0, 10.0),
    (0.30, 9.0, 9.5, 10.0, 0.5, 10.0, 5.0),
    (0.95, 10.0, 12.0, 14.0, 1.0, 70.0, 10.0),
    (0.30, 14.0, 15.0, 16.0, 0.5, 10.0, 5.0),
    (0.95, 16.0, 18.0, 20.0, 1.0, 80.0, 10.0),
    (0.30, 20.0, 21.5, 23.0, 0.5, 10.0, 5.0),
)


def meal_noise(days: int) -> int:
    """Noise columns that draw the meals of `days`."""
    return MEALS_A_DAY * PER_MEAL_NOISE * days


def draw_meals(noise: Tensor, days: int, misjudged: float) -> tuple[Tensor, Tensor, Tensor]:
    """Starts (hours), grams and estimates, each (meals, B), from noise (B, 24 x days).

    Times are normal, truncated to their window and rounded to the minute; amounts whole grams; estimates lognormal
    around them with SD `misjudged`.
    """
    z = noise.t().reshape(days, MEALS_A_DAY, PER_MEAL_NOISE, -1)
    share, early, usual, late, wide, mean, spread = (c[None, :, None] for c in noise.new_tensor(_MEALS).unbind(1))
    low, high = ndtr((early - usual) / wide), ndtr((late - usual) / wide)
    hour = usual + wide * ndtri(low + (high - low) * ndtr(z[:, :, 1]))
    day = 24 * torch.arange(days, device=noise.device, dtype=noise.dtype)[:, None, None]
    starts = day + (hour * 60).round() / 60
    amount = (mean + spread * z[:, :, 2]).round().clamp_min(0)
    grams = torch.where(ndtr(z[:, :, 0]) < share, amount, 0.0)
    return starts.flatten(0, 1), grams.flatten(0, 1), (grams * torch.exp(misjudged * z[:, :, 3])).flatten(0, 1)


def eaten(m: GlucoseMemory, hours: Tensor) -> Tensor:
    """Carbohydrates (B,) mg eaten until `hours` (B,) since admission."""
    return torch.minimum((hours - m.starts).clamp_min(0) * EATING, m.grams * 1000).sum(0)


def announced(m: GlucoseMemory, before: Tensor, after: Tensor) -> Tensor:
    """Estimated grams (B,) of meals begun after `before` and until `after` (B,) hours."""
    begun = (m.starts > before + _INSTANT) & (m.starts <= after + _INSTANT)
    return torch.where(begun, m.estimates, 0.0).sum(0)


def next_meal(m: GlucoseMemory, hours: Tensor) -> Tensor:
    """Hours (B,) until the next meal that is not skipped; infinite where none is left."""
    later = (m.grams > 0) & (m.starts > hours + _INSTANT)
    return torch.where(later, m.starts - hours, torch.inf).amin(0)
