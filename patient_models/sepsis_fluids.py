"""How the documented clinician gives fluid to the sepsis patient: a draw, and its exact level probabilities.

First 33 mL/kg (with probability .8) or 18 mL/kg, times U(.75, 1.25). Later 150 mL times U(.3, 1.7) per 4 h, and a
bolus of 250, 500 or 1,000 mL (.3, .5, .2) with probability sg(-1.9 + .06 (66 - MAP) + .25 (L - 2) - .02 t). Design
choices after the guideline's 30 mL/kg.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState
from .sepsis_spec import SPEC

MAP, LACTATE = SPEC.feature("map"), SPEC.feature("lactate")
WEIGHT, FLUID = SPEC.context_column("weight"), SPEC.drug("fluid")
INTERVAL = 4.0  # hours that written fluid volumes are meant for
FIRST = (33.0, 0.55 * 33.0)  # mL/kg, usual and cautious
CAUTIOUS = 0.2  # share of stays
MAINTENANCE = 150.0  # mL per interval
BOLUSES, SHARES = (250.0, 500.0, 1000.0), (0.3, 0.5, 0.2)  # mL, and how often each


def bolus_probability(state: PatientState) -> Tensor:
    """Probability (B,) that a bolus follows, from the MAP and lactate on record and the hour."""
    pressure, lactate = state.vitals[:, MAP], state.vitals[:, LACTATE]
    return torch.sigmoid(-1.9 + 0.06 * (66 - pressure) + 0.25 * (lactate - 2) - 0.02 * state.hours)


def plan_fluid(state: PatientState, small: Tensor, noise: Tensor) -> Tensor:
    """Fluid rate (B,) mL/h; `small` (B,) bool where the first fluid is the cautious one; noise (B, 3)."""
    spread = ndtr(noise[:, 0])
    first = torch.where(small, FIRST[1], FIRST[0]) * state.context[:, WEIGHT] * (0.75 + 0.5 * spread)
    size = ndtr(noise[:, 2])
    bolus = torch.where(size < SHARES[0], BOLUSES[0], torch.where(size < SHARES[0] + SHARES[1], *BOLUSES[1:]))
    given = torch.where(ndtr(noise[:, 1]) < bolus_probability(state), bolus, 0.0)
    return torch.where(state.hours <= 0, first, MAINTENANCE * (0.3 + 1.4 * spread) + given) / INTERVAL


def fluid_level_probs(state: PatientState, small: Tensor) -> Tensor:
    """Probability of each fluid level (B, 5), exact; `small` (B,) is the probability of the cautious first fluid."""
    weight = state.context[:, WEIGHT]
    usual, cautious = (_uniform_levels(0.75 * f * weight, 1.25 * f * weight) for f in FIRST)
    first = usual + small[:, None] * (cautious - usual)
    low, high = weight.new_full((1,), 0.3 * MAINTENANCE), weight.new_full((1,), 1.7 * MAINTENANCE)
    plain = _uniform_levels(low, high)
    boluses = sum((s * _uniform_levels(low + b, high + b) for b, s in zip(BOLUSES, SHARES, strict=True)), 0 * plain)
    later = plain + bolus_probability(state)[:, None] * (boluses - plain)
    return torch.where(state.hours[:, None] <= 0, first, later)


def _uniform_levels(low: Tensor, high: Tensor) -> Tensor:
    """Level probabilities (B, 5) of a volume uniform on low..high (B,) mL per interval."""
    cuts = torch.tensor(SPEC.drugs[FLUID].cuts, device=low.device) * INTERVAL
    below = ((cuts - low[:, None]) / (high - low)[:, None]).clamp(0, 1)
    return torch.diff(below, prepend=torch.zeros_like(below[:, :1]), append=torch.ones_like(below[:, :1]))
