"""Propofol in three compartments and effect sites, solved exactly: amounts in the modes of the linear system.

With rates k = Q / V the plasma after a unit bolus is sum_j share_j exp(-decay_j t), the decays the roots of a cubic
(Gibaldi & Perrier, "Pharmacokinetics", chapter 2). A mode under a rate R (mg/min) follows z' = -decay z + R, so that
a step of any length is one exponential. An effect site is one more mode with decay ke0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

APART = 0.005  # least relative distance of ke0 from a decay: nearer, the modes would cancel in float32


class Compartments(NamedTuple):
    """Volumes (L) and clearances (L/min) of three compartments, and the rate constant of the effect site, each (B,)."""

    central: Tensor  # V1
    fast: Tensor  # V2
    slow: Tensor  # V3
    elimination: Tensor  # CL
    to_fast: Tensor  # Q2
    to_slow: Tensor  # Q3
    effect: Tensor  # ke0, 1/min


def modes(c: Compartments) -> tuple[Tensor, Tensor]:
    """Decays (3, B) 1/min, fastest first, and shares (3, B) 1/L of the plasma's modes, in float64 on the way."""
    k10, k12, k13 = (q.double() / c.central.double() for q in (c.elimination, c.to_fast, c.to_slow))
    k21, k31 = c.to_fast.double() / c.fast.double(), c.to_slow.double() / c.slow.double()
    square = k10 + k12 + k13 + k21 + k31
    linear = k10 * k31 + k21 * k31 + k21 * k13 + k10 * k21 + k31 * k12
    constant = k10 * k21 * k31
    p = linear - square**2 / 3  # the cubic without its square term: x^3 + p x + q
    q = square * linear / 3 - 2 * square**3 / 27 - constant
    size = 2 * (-p / 3).sqrt()
    angle = torch.acos((3 * q / (p * size)).clamp(-1, 1)) / 3
    roots = torch.stack([size * torch.cos(angle - 2 * math.pi * k / 3) for k in (0, 1, 2)]) + square / 3
    for _ in range(3):  # Newton, for the slowest root is a difference of large numbers
        value = ((roots - square) * roots + linear) * roots - constant
        roots = roots - value / ((3 * roots - 2 * square) * roots + linear)
    roots = roots.sort(0, descending=True).values
    fast, middle, slow = roots.unbind(0)
    others = torch.stack(
        ((middle - fast) * (slow - fast), (fast - middle) * (slow - middle), (fast - slow) * (middle - slow))
    )
    share = (k21 - roots) * (k31 - roots) / others / c.central.double()
    return roots.to(c.central.dtype), share.to(c.central.dtype)


def apart(effect: Tensor, decay: Tensor) -> Tensor:
    """Rate constants of effect sites (k, B), moved to at least .5 % from every decay (3, B)."""
    for each in decay.unbind(0):
        gap = effect / each - 1
        moved = each * (1 + torch.where(gap < 0, -APART, APART))
        effect = torch.where(gap.abs() < APART, moved, effect)
    return effect


def drift(amounts: Tensor, decay: Tensor, rate: Tensor, minutes: Tensor) -> Tensor:
    """Amounts (k, B) in modes of decays (k, B) after `minutes` (B,) under a rate (B,) mg/min; exact."""
    gone = torch.expm1(-decay * minutes)
    return torch.addcmul(amounts, gone, amounts - rate / decay)


def plasma(amounts: Tensor, share: Tensor) -> Tensor:
    """Plasma concentration (B,) ug/mL from amounts (3, B) in its modes."""
    return (amounts * share).sum(0)


def effect_site(amounts: Tensor, share: Tensor, decay: Tensor, effect_decay: Tensor) -> Tensor:
    """Concentrations (k, B) ug/mL at k effect sites, from amounts (3 + k, B)."""
    central, sites = amounts[:3, None], amounts[None, 3:]
    return (share[:, None] * (effect_decay / (effect_decay - decay[:, None])) * (central - sites)).sum(0)
