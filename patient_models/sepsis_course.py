"""The course of a sepsis patient over one step: fluid exchange, infection, organs, and the hazard of death.

Plasma volume is semi-implicit, everything else explicit Euler; the circulation is quasi-steady. For the sources of
the coefficients see `sepsis_dynamics`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .sepsis_dynamics import Drug, Flow, circulation, excess, heart, norepinephrine_effect
from .sepsis_memory import Body, SepsisMemory

ANTIBIOTICS_FROM = 1.0  # hours since admission


class Pace(NamedTuple):
    """Constants of the slow variables over one step, each (B,): coefficients times the length dt of a sub-step."""

    dt: Tensor  # hours
    one: Tensor  # 1
    renal: Tensor  # -(58 + 5 HTN) / 5
    inflow: Tensor  # (F - 15) dt, mL
    escape: Tensor  # 1 + 3 leak dt
    escape_infection: Tensor  # change of it per s
    back: Tensor  # .8 dt
    drain: Tensor  # .3 dt
    least_tissue: Tensor  # -60 BW, mL
    growth: Tensor  # (substeps, B): (r - k once treated) dt
    crowding: Tensor  # -r dt / 1.3
    follow: Tensor  # dt / 72, of vasodilation
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


def pace(m: SepsisMemory, drug: Drug, context: Tensor, fluid: Tensor, times: tuple[Tensor, Tensor, int]) -> Pace:
    """The constants from context (B, 4), fluid mL/h (B,), and times: hours since admission, of the step, sub-steps."""
    start, hours, substeps = times
    age, weight, hypertension, saps = context.unbind(1)
    dt = hours / substeps
    begin = start + (torch.arange(substeps, device=dt.device)[:, None] + 0.01) * dt  # free of rounding at the hour
    threshold = 55 + 19 * hypertension  # mmHg, below which organs suffer

    def constant(value: float) -> Tensor:
        return torch.full_like(dt, value)

    return Pace(
        dt=dt,
        one=constant(1),
        renal=-(58 + 5 * hypertension) / 5,
        inflow=(fluid - 15) * dt,
        escape=1 + 3 * m.leak * dt,
        escape_infection=3 * 0.75 * m.leak * dt,
        back=0.8 * dt,
        drain=0.3 * dt,
        least_tissue=-60 * weight,
        growth=(m.growth - m.kill * (begin > ANTIBIOTICS_FROM)) * dt,
        crowding=-m.growth * dt / 1.3,
        follow=dt / 72,
        low_flow=constant(4.2 / 0.6),
        flow_index=-((weight / 70) ** -0.75) / 0.6,
        low_pressure=constant(60 / 6),
        overload=1 / (8 * weight),
        tolerated=-m.tolerated_fluid / 0.8,
        short=threshold / 4,
        constricted=-(threshold + 11) / 4,
        constriction=0.12 * drug.occupancy,
        production=1 + 0.02 * drug.concentration,
        fast=0.8 * dt,
        toxicity=0.18 * excess(drug.surplus / 4),
        high_lactate=constant(2.5),
        healing=constant(1.1),
        creatinine=m.creatinine_floor / 1.35,
        renal_time=0.05 * dt,
        margin=threshold - 7,
        hazard=-13.2 + 0.02 * (age - 65) - 0.10 * 2,
        hazard_infection=-7.7 + 0.02 * (age - 65) + 0.03 * (saps - 48) - 1.5 * 0.6,
    )


@torch.inference_mode()  # nothing here is learned, and without gradients an operation starts sooner
def course(
    m: SepsisMemory, context: Tensor, dose: tuple[Tensor, Tensor], times: tuple[Tensor, Tensor, int]
) -> SepsisMemory:
    """The patient after a step under dose (fluid mL/h, norepinephrine ug/kg/min), each (B,); times as in `pace`."""
    fluid, norepinephrine = dose
    weight = context[:, 1].contiguous()
    drug = norepinephrine_effect(m, weight, norepinephrine)
    h, p = heart(m, drug, weight), pace(m, drug, context, fluid, times)
    b, scratch = m.body(), _Scratch.of(p.dt)
    hazard, kidneys, pressure = p.dt.new_zeros(2, len(p.dt)), torch.zeros_like(p.dt), torch.zeros_like(p.dt)
    for growth in p.growth.unbind(0):
        flow = circulation(b, h)
        kidney = _kidney(b, p, flow)
        plasma, tissue = _fluids(b, p, kidney)
        infection = torch.addcmul(growth, p.crowding, b.infection).add_(p.one).mul_(b.infection).clamp_(0.01, 1.3)
        vasodilation = torch.lerp(b.vasodilation, infection, p.follow)
        strain = _strain(plasma, tissue, p, flow, scratch)
        b = Body(infection, vasodilation, flow.reflex, plasma, tissue, *_organs(b, infection, p, kidney, strain))
        hazard += _hazard(b, p, flow, scratch)
        kidneys += kidney
        pressure += flow.pressure
    drained = (m.plasma - b.plasma).add_(m.tissue - b.tissue).add_(p.inflow, alpha=times[2])  # the balance of fluid
    m = m._replace(**b._asdict())
    return m._replace(
        pressure=flow.pressure,
        heart_rate=flow.heart_rate,
        cardiac_output=flow.output,
        mean_pressure=pressure / times[2],
        urine=(drained / (p.dt * times[2]).clamp_min(1e-6) / weight).clamp_min(0) + 0.5 * kidneys / times[2],
        risk=-torch.expm1(-hazard.sum(0) * p.dt),
    )


def _kidney(b: Body, p: Pace, flow: Flow) -> Tensor:
    """Kidney function u (B,) 0..1: u = sg((MAP - 58 - 5 HTN) / 5) clip(1 - D/24, .1, 1)."""
    perfusion = torch.add(p.renal, flow.pressure, alpha=1 / 5).sigmoid_()
    return torch.sub(p.one, b.organ, alpha=1 / 24).clamp_(0.1, 1).mul_(perfusion)


def _fluids(b: Body, p: Pace, kidney: Tensor) -> tuple[Tensor, Tensor]:
    """Plasma and tissue volume (mL above normal) after a sub-step.

    v1' = F - k12 v1 + .8 v2 - .3 u v1+ - 15, v2' = k12 v1 - .8 v2, k12 = 3 leak (1 + .75 s), per hour; v2 follows from
    the balance of fluid.
    """
    drained = b.plasma.clamp_min(0).mul_(kidney)
    unshared = (b.plasma + p.inflow).addcmul_(drained, p.drain, value=-1)
    plasma = torch.addcmul(unshared, p.back, b.tissue).div_(torch.addcmul(p.escape, p.escape_infection, b.infection))
    tissue = unshared.add_(b.tissue).sub_(plasma)
    return plasma, torch.maximum(tissue, p.least_tissue, out=tissue)


def _strain(plasma: Tensor, tissue: Tensor, p: Pace, flow: Flow, scratch: _Scratch) -> tuple[Tensor, ...]:
    """Five softplus terms (B,) at once.

    sp((4.2 - CO')/.6) of low flow, sp((60 - MAP)/6) of low pressure, sp((FO - fth)/.8) of fluid overload (FO = (v1 +
    v2) / BW / 10 in % of body weight), sp((thr - MAP)/4) of pressure short of need, sp((MAP - thr - 11)/4) beyond it.
    """
    low_flow, low_pressure, flood, short, constricted = scratch.strains
    torch.addcmul(p.low_flow, p.flow_index, flow.output, out=low_flow)
    torch.sub(p.low_pressure, flow.pressure, alpha=1 / 6, out=low_pressure)
    torch.addcmul(p.tolerated, torch.add(plasma, tissue), p.overload, out=flood)
    torch.sub(p.short, flow.pressure, alpha=1 / 4, out=short)
    torch.add(p.constricted, flow.pressure, alpha=1 / 4, out=constricted)
    excess(scratch.strain)
    return scratch.strains


def _organs(b: Body, infection: Tensor, p: Pace, kidney: Tensor, strain: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Lung water, organ dysfunction (0..24), lactate (mmol/L) and creatinine (mg/dL) after a sub-step.

    L' = .8 (1 + .54 low flow + .9 low pressure + .5 s + .02 C) - .8 (1 - .55 D/20) L; W' = .8 (overload - W);
    D' = .05 s + .12 short + .035 sp(L - 2.5) + .14 W + toxicity + .12 oc constricted - .07 D (1.1 - min(s, 1));
    Cr' = .05 (Cr0 / clip(1.35 u, .12, 1.1) - Cr).
    """
    low_flow, low_pressure, overload, short, constricted = strain
    change = torch.add(p.production, low_flow, alpha=0.54).add_(low_pressure, alpha=0.9).add_(infection, alpha=0.5)
    change.addcmul_(torch.sub(p.one, b.organ, alpha=0.55 / 20), b.lactate, value=-1)
    lactate = torch.addcmul(b.lactate, change, p.fast).clamp_(0.3, 25)
    lung_water = torch.lerp(b.lung_water, overload, p.fast)
    change = torch.add(p.toxicity, short, alpha=0.12).addcmul_(p.constriction, constricted)
    change.add_(excess(lactate - p.high_lactate), alpha=0.035)
    change.add_(lung_water, alpha=0.14).add_(infection, alpha=0.05)
    change.addcmul_(p.healing - infection.clamp_max(1), b.organ, value=-0.07)
    organ = torch.addcmul(b.organ, change, p.dt).clamp_(0, 24)
    aim = p.creatinine / kidney.clamp(0.12 / 1.35, 1.1 / 1.35)
    return lung_water, organ, lactate, torch.lerp(b.creatinine, aim, p.renal_time)


def _hazard(b: Body, p: Pace, flow: Flow, scratch: _Scratch) -> Tensor:
    """Hazards of death per hour (2, B).

    exp(min(5, -13.2 + .45 D + .02 (age - 65) + .10 clip(L - 2, 0, 8) + .06 clip(thr - 7 - MAP, 0, 30))), and
    exp(-7.7 + .02 (age - 65) + .03 (SAPS - 48) + 1.5 (s - .6)).
    """
    organs, infection = scratch.hazards
    torch.add(p.hazard, b.organ, alpha=0.45, out=organs).add_(b.lactate.clamp(2, 10), alpha=0.10)
    organs.add_(torch.sub(p.margin, flow.pressure).clamp_(0, 30), alpha=0.06)
    torch.add(p.hazard_infection, b.infection, alpha=1.5, out=infection)
    return scratch.hazard.clamp_max_(5).exp_()


class _Scratch(NamedTuple):
    """Room for terms of the same form, so that one operation serves them all; overwritten in every sub-step."""

    strain: Tensor  # (5, B)
    strains: tuple[Tensor, ...]  # its rows
    hazard: Tensor  # (2, B)
    hazards: tuple[Tensor, ...]

    @classmethod
    def of(cls, like: Tensor) -> _Scratch:
        strain, hazard = like.new_empty(5, len(like)), like.new_empty(2, len(like))
        return cls(strain, strain.unbind(0), hazard, hazard.unbind(0))
