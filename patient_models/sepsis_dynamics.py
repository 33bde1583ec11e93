"""The circulation of the sepsis patient: filling, heart, resistance and the baroreflex, under norepinephrine.

A composite model: a plausible test bed, not validated physiology, and never medical advice. From published work:
norepinephrine clearance against SAPS II (Beloeil 2005, Br J Anaesth 95:782); its half-maximal effect, the spread of
it and the switch from 32 to 12 mmHg with organ dysfunction (Oualha 2014, Br J Clin Pharmacol 78:886); crystalloid
exchange constants 3.0, .8 and .3 per hour, set to the plasma expansion reviewed by Hahn 2020 (volume kinetics);
baroreflex slope .1838 per mmHg (Zenker 2007, PLoS Comput Biol 3:e204). Every other coefficient is a design choice.

What is constant over a step is computed once, as tensors: on small batches a scalar operand costs more than the sum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .sepsis_memory import Body, SepsisMemory

REFLEX_SLOPE = 0.1838  # 1/mmHg
REFLEX_GAIN = 0.3  # share of the way per relaxation
RELAXATIONS = 2  # of the reflex in each sub-step: the circulation is quasi-steady
VENOUS = 0.4  # share of Pms that stands behind the resistance
ENDOGENOUS = 0.30  # ug/L norepinephrine without any infusion


def excess(x: Tensor) -> Tensor:
    """Softplus log(1 + e^x), level beyond 30; overwrites x, which must be a temporary."""
    return x.clamp_max_(30).exp_().add_(1).log_()


class Drug(NamedTuple):
    """Norepinephrine in one patient at a constant rate, each (B,)."""

    concentration: Tensor  # C, ug/L
    occupancy: Tensor  # oc, 0..1
    surplus: Tensor  # C - cth, ug/L above what the heart bears


def norepinephrine_effect(m: SepsisMemory, weight: Tensor, rate: Tensor) -> Drug:
    """C = .30 + rate BW / CL, oc = C / (C + EC50), from weight (kg) and rate (ug/kg/min), each (B,)."""
    concentration = ENDOGENOUS + rate * weight / m.clearance
    return Drug(concentration, concentration / (concentration + m.half_effect), concentration - m.toxic_concentration)


class Heart(NamedTuple):
    """Constants of the circulation over one step, each (B,); the names say in which term they stand."""

    filling: Tensor  # .4 Pms at v = v1 = 0, mmHg
    filling_vasodilation: Tensor  # change of it per v
    filling_plasma: Tensor  # change of it per mL of v1
    stroke: Tensor  # SV at full Pms, L
    stroke_infection: Tensor  # change of it per min(s, 1)
    half_filling: Tensor  # (.4 x 4.8 mmHg)^1.5
    rate: Tensor  # HR without reflex and infection, 1/min
    reserve: Tensor  # 11 / 1.5, of sg((11 - D) / 1.5)
    effect: Tensor  # 1 + E at no reserve
    effect_reserve: Tensor  # change of E per reserve
    resistance: Tensor  # without reflex, at v = 0, mmHg min/L
    resistance_vasodilation: Tensor  # change of it per v
    reflex_resistance: Tensor  # of the reflex, as a multiple of the resistance, at v = 0
    aim: Tensor  # .1838 Pset


def heart(m: SepsisMemory, drug: Drug, weight: Tensor) -> Heart:
    """The constants of `circulation` from traits and drug effect; weight (B,) kg.

    Pms = (Vb + v1 - Vu) / (2.2 BW), Vb = 70 BW, Vu = .75 Vb (1 + .08 v)(1 - .05 oc);
    SV = 1.55 BW kc Pms^1.5 / (Pms^1.5 + 4.8^1.5) (1 - .15 min(s, 1)), HR before reflex = 46 + 18 s + h_i + rhythm;
    R = (8.2 + 9 S (1 - .78 min(v, 1.25))) (1 - b v)(1 + E) e^eta (80/BW)^.75, E = (.20 + .38 reserve) em oc.
    """
    unstressed = VENOUS * 0.75 * 70 / 2.2 * (1 - 0.05 * drug.occupancy)
    stroke = 0.00155 * weight * m.contractility
    resistance = 8.2 * m.tone.exp() * (80 / weight) ** 0.75
    effect = m.responsiveness * drug.occupancy
    return Heart(
        filling=VENOUS * 70 / 2.2 - unstressed,
        filling_vasodilation=-0.08 * unstressed,
        filling_plasma=VENOUS / (2.2 * weight),
        stroke=stroke,
        stroke_infection=-0.15 * stroke,
        half_filling=torch.full_like(weight, (VENOUS * 4.8) ** 1.5),
        rate=46 + m.rate_offset + m.arrhythmic * (6 + 14 * torch.sigmoid(drug.surplus / 3)),
        reserve=torch.full_like(weight, 11 / 1.5),
        effect=1 + 0.20 * effect,
        effect_reserve=0.38 * effect,
        resistance=resistance,
        resistance_vasodilation=-m.vasoplegia * resistance,
        reflex_resistance=torch.full_like(weight, 9 / 8.2),
        aim=REFLEX_SLOPE * m.set_point,
    )


class Flow(NamedTuple):
    """The circulation at one moment, each (B,)."""

    pressure: Tensor  # MAP, mmHg
    venous: Tensor  # .4 Pms, the part of it without flow
    heart_rate: Tensor  # 1/min
    output: Tensor  # cardiac output, L/min
    reflex: Tensor  # S, after relaxation


def circulation(b: Body, h: Heart, relaxations: int = RELAXATIONS) -> Flow:
    """Pressure and flow (B,) after `relaxations` of the baroreflex towards sg(-.1838 (MAP - Pset)).

    HR = clip(46 S + ..., 40, 180), CO = SV min(HR, sqrt(150 HR)), MAP = CO R + .4 Pms. Pressure and flow are those
    before the last relaxation; with none the reflex stays as it is.
    """
    venous = torch.addcmul(h.filling, h.filling_vasodilation, b.vasodilation)
    venous.addcmul_(h.filling_plasma, b.plasma).clamp_(0.5 * VENOUS, 25 * VENOUS)
    power = venous.sqrt().mul_(venous)
    stroke = torch.addcmul(h.stroke, h.stroke_infection, b.infection.clamp_max(1))
    stroke = stroke.mul_(power).div_(power.add_(h.half_filling))
    reserve = torch.sub(h.reserve, b.organ, alpha=1 / 1.5).sigmoid_()
    resistance = torch.addcmul(h.resistance, h.resistance_vasodilation, b.vasodilation)
    resistance.mul_(torch.addcmul(h.effect, h.effect_reserve, reserve))
    loss = b.vasodilation.clamp_max(1.25)
    reflex_resistance = torch.sub(h.reflex_resistance, loss, alpha=0.78 * 9 / 8.2).mul_(resistance)
    unforced = torch.add(h.rate, b.infection, alpha=18)
    reflex = b.reflex
    for _ in range(max(relaxations, 1)):
        rate = torch.add(unforced, reflex, alpha=46).clamp_(40, 180)
        root = rate.sqrt()
        output = root.clamp_max(150**0.5).mul_(root).mul_(stroke)
        pressure = torch.addcmul(venous, output, torch.addcmul(resistance, reflex_resistance, reflex))
        if relaxations:
            reflex = torch.lerp(reflex, torch.sub(h.aim, pressure, alpha=REFLEX_SLOPE).sigmoid_(), REFLEX_GAIN)
    return Flow(pressure, venous, rate, output, reflex)
