"""Fluid exchange, kidney and infection of the sepsis patient over one sub-step.

Plasma volume is semi-implicit, the rest explicit Euler. For the sources of the coefficients see `sepsis_dynamics`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .sepsis_dynamics import Flow
from .sepsis_memory import Body, SepsisMemory

ANTIBIOTICS_FROM = 1.0  # hours since admission


class Exchange(NamedTuple):
    """Constants over one step, each (B,) unless noted: coefficients times the length dt of a sub-step."""

    one: Tensor  # 1
    perfusion: Tensor  # -(58 + 5 HTN) / 5, of the kidney
    inflow: Tensor  # (F - 15) dt, mL
    escape: Tensor  # 1 + 3 leak dt
    escape_infection: Tensor  # change of it per s
    back: Tensor  # .8 dt
    drain: Tensor  # .3 dt
    least_tissue: Tensor  # -60 BW, mL
    growth: Tensor  # (substeps, B): (r - k once treated) dt
    crowding: Tensor  # -r dt / 1.3
    follow: Tensor  # dt / 72, of vasodilation


def exchange(m: SepsisMemory, context: Tensor, fluid: Tensor, start: Tensor, pace: tuple[Tensor, int]) -> Exchange:
    """The constants from context (B, 4), fluid mL/h (B,), hours since admission (B,), and pace: dt (B,), sub-steps."""
    dt, substeps = pace
    middle = start + (torch.arange(substeps, device=dt.device)[:, None] + 0.01) * dt  # free of rounding at the hour
    return Exchange(
        one=torch.ones_like(dt),
        perfusion=-(58 + 5 * context[:, 2]) / 5,
        inflow=(fluid - 15) * dt,
        escape=1 + 3 * m.leak * dt,
        escape_infection=3 * 0.75 * m.leak * dt,
        back=0.8 * dt,
        drain=0.3 * dt,
        least_tissue=-60 * context[:, 1],
        growth=(m.growth - m.kill * (middle > ANTIBIOTICS_FROM)) * dt,
        crowding=-m.growth * dt / 1.3,
        follow=dt / 72,
    )


def kidney_function(b: Body, e: Exchange, flow: Flow) -> Tensor:
    """Kidney function u (B,) 0..1: u = sg((MAP - 58 - 5 HTN) / 5) clip(1 - D/24, .1, 1)."""
    perfusion = torch.add(e.perfusion, flow.pressure, alpha=1 / 5).sigmoid_()
    return torch.sub(e.one, b.organ, alpha=1 / 24).clamp_(0.1, 1).mul_(perfusion)


def volumes(b: Body, e: Exchange, kidney: Tensor) -> tuple[Tensor, Tensor]:
    """Plasma and tissue volume (mL above normal) after a sub-step.

    v1' = F - k12 v1 + .8 v2 - .3 u v1+ - 15, v2' = k12 v1 - .8 v2, k12 = 3 leak (1 + .75 s), per hour; v2 follows from
    the balance of fluid.
    """
    drained = b.plasma.clamp_min(0).mul_(kidney)
    unshared = (b.plasma + e.inflow).addcmul_(drained, e.drain, value=-1)
    plasma = torch.addcmul(unshared, e.back, b.tissue).div_(torch.addcmul(e.escape, e.escape_infection, b.infection))
    tissue = unshared.add_(b.tissue).sub_(plasma)
    return plasma, torch.maximum(tissue, e.least_tissue, out=tissue)


def infect(b: Body, e: Exchange, growth: Tensor) -> tuple[Tensor, Tensor]:
    """Infection and vasodilation after a sub-step: s' = r s (1 - s/1.3) - k s once treated, v' = (s - v) / 72."""
    infection = torch.addcmul(growth, e.crowding, b.infection).add_(e.one).mul_(b.infection).clamp_(0.01, 1.3)
    return infection, torch.lerp(b.vasodilation, infection, e.follow)
