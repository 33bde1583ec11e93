"""Lactate, lungs, organs, creatinine and the hazard of death of the sepsis patient over one sub-step.

Explicit Euler. Every coefficient here is a design choice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .sepsis_dynamics import Drug, Flow, excess
from .sepsis_memory import Body, SepsisMemory


class Organs(NamedTuple):
    """Constants over one step, each (B,)."""

    dt: Tensor  # hours
    one: Tensor  # 1
    low_flow: Tensor  # 4.2 / .6
    flow_index: Tensor  # -(BW/70)^-.75 / .6, per CO
    low_pressure: Tensor  # 60 / 6
    overload: Tensor  # 1 / (8 BW), per mL
    tolerated: Tensor  # -fth / .8
    short: Tensor  # thr / 4
    constricted: Tensor  # -(thr + 11) / 4
    constriction: Tensor  # .12 oc
    production: Tensor  # 1 + .02 C, of lactate
    fast: Tensor  # .8 dt, of lactate and lung water
    toxicity: Tensor  # .18 sp((C - cth) / 4), organ dysfunction per hour
    high_lactate: Tensor  # 2.5
    healing: Tensor  # 1.1
    creatinine: Tensor  # Cr0 / 1.35
    renal_time: Tensor  # .05 dt
    margin: Tensor  # thr - 7, mmHg
    hazard: Tensor  # log hazard of failing organs, before organs
    hazard_infection: Tensor  # log hazard of the second line, deaths that no dose prevents, before infection


def organs(m: SepsisMemory, drug: Drug, context: Tensor, dt: Tensor) -> Organs:
    """The constants from traits, drug effect, context (B, 4) and the length dt of a sub-step (B,)."""
    age, weight, hypertension, saps = context.unbind(1)
    threshold = 55 + 19 * hypertension  # mmHg, below which organs suffer
    one = torch.ones_like(dt)
    return Organs(
        dt=dt,
        one=one,
        low_flow=one * (4.2 / 0.6),
        flow_index=-((weight / 70) ** -0.75) / 0.6,
        low_pressure=one * (60 / 6),
        overload=1 / (8 * weight),
        tolerated=-m.tolerated_fluid / 0.8,
        short=threshold / 4,
        constricted=-(threshold + 11) / 4,
        constriction=0.12 * drug.occupancy,
        production=1 + 0.02 * drug.concentration,
        fast=0.8 * dt,
        toxicity=0.18 * excess(drug.surplus / 4),
        high_lactate=one * 2.5,
        healing=one * 1.1,
        creatinine=m.creatinine_floor / 1.35,
        renal_time=0.05 * dt,
        margin=threshold - 7,
        hazard=-13.2 + 0.02 * (age - 65) - 0.10 * 2,
        hazard_infection=-7.7 + 0.02 * (age - 65) + 0.03 * (saps - 48) - 1.5 * 0.6,
    )


class Scratch(NamedTuple):
    """Room for terms of the same form, so that one operation serves them all; overwritten in every sub-step."""

    strain: Tensor  # (5, B)
    strains: tuple[Tensor, ...]  # its rows
    hazard: Tensor  # (2, B)
    hazards: tuple[Tensor, ...]

    @classmethod
    def of(cls, like: Tensor) -> Scratch:
        """Room for as many patients as `like` (B,) has."""
        strain, hazard = like.new_empty(5, len(like)), like.new_empty(2, len(like))
        return cls(strain, strain.unbind(0), hazard, hazard.unbind(0))


def strain(plasma: Tensor, tissue: Tensor, o: Organs, flow: Flow, scratch: Scratch) -> tuple[Tensor, ...]:
    """Five softplus terms (B,) at once.

    sp((4.2 - CO')/.6) of low flow, sp((60 - MAP)/6) of low pressure, sp((FO - fth)/.8) of fluid overload (FO = (v1 +
    v2) / BW / 10 in % of body weight), sp((thr - MAP)/4) of pressure short of need, sp((MAP - thr - 11)/4) beyond it.
    """
    low_flow, low_pressure, flood, short, constricted = scratch.strains
    torch.addcmul(o.low_flow, o.flow_index, flow.output, out=low_flow)
    torch.sub(o.low_pressure, flow.pressure, alpha=1 / 6, out=low_pressure)
    torch.addcmul(o.tolerated, torch.add(plasma, tissue), o.overload, out=flood)
    torch.sub(o.short, flow.pressure, alpha=1 / 4, out=short)
    torch.add(o.constricted, flow.pressure, alpha=1 / 4, out=constricted)
    excess(scratch.strain)
    return scratch.strains


def damage(b: Body, infection: Tensor, o: Organs, kidney: Tensor, strains: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Lung water, organ dysfunction (0..24), lactate (mmol/L) and creatinine (mg/dL) after a sub-step.

    L' = .8 (1 + .54 low flow + .9 low pressure + .5 s + .02 C) - .8 (1 - .55 D/20) L; W' = .8 (overload - W);
    D' = .05 s + .12 short + .035 sp(L - 2.5) + .14 W + toxicity + .12 oc constricted - .07 D (1.1 - min(s, 1));
    Cr' = .05 (Cr0 / clip(1.35 u, .12, 1.1) - Cr).
    """
    low_flow, low_pressure, overload, short, constricted = strains
    change = torch.add(o.production, low_flow, alpha=0.54).add_(low_pressure, alpha=0.9).add_(infection, alpha=0.5)
    change.addcmul_(torch.sub(o.one, b.organ, alpha=0.55 / 20), b.lactate, value=-1)
    lactate = torch.addcmul(b.lactate, change, o.fast).clamp_(0.3, 25)
    lung_water = torch.lerp(b.lung_water, overload, o.fast)
    change = torch.add(o.toxicity, short, alpha=0.12).addcmul_(o.constriction, constricted)
    change.add_(excess(lactate - o.high_lactate), alpha=0.035)
    change.add_(lung_water, alpha=0.14).add_(infection, alpha=0.05)
    change.addcmul_(o.healing - infection.clamp_max(1), b.organ, value=-0.07)
    organ = torch.addcmul(b.organ, change, o.dt).clamp_(0, 24)
    aim = o.creatinine / kidney.clamp(0.12 / 1.35, 1.1 / 1.35)
    return lung_water, organ, lactate, torch.lerp(b.creatinine, aim, o.renal_time)


def hazards(b: Body, o: Organs, flow: Flow, scratch: Scratch) -> Tensor:
    """Hazards of death per hour (2, B).

    exp(min(5, -13.2 + .45 D + .02 (age - 65) + .10 clip(L - 2, 0, 8) + .06 clip(thr - 7 - MAP, 0, 30))), and
    exp(-7.7 + .02 (age - 65) + .03 (SAPS - 48) + 1.5 (s - .6)).
    """
    failing, infection = scratch.hazards
    torch.add(o.hazard, b.organ, alpha=0.45, out=failing).add_(b.lactate.clamp(2, 10), alpha=0.10)
    failing.add_(torch.sub(o.margin, flow.pressure).clamp_(0, 30), alpha=0.06)
    torch.add(o.hazard_infection, b.infection, alpha=1.5, out=infection)
    return scratch.hazard.clamp_max_(5).exp_()
