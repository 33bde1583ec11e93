"""Who is anaesthetised, and the two published population models that say how propofol fares in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.special import ndtr

from .propofol_kinetics import Compartments

KINETIC_TRAITS = 7  # V1, V2, V3, CL, Q2, Q3, ke0
EFFECT_TRAITS = 2  # Ce50, gamma


class Effect(NamedTuple):
    """How the BIS follows the effect site, each (B,): awake / (1 + U^g) with U = C / Ce50 + opioid."""

    awake: Tensor  # BIS without drug
    half_effect: Tensor  # Ce50, ug/mL
    below: Tensor  # gamma where C < Ce50
    above: Tensor  # gamma elsewhere
    delay: Tensor  # minutes that the monitor lags
    opioid: Tensor  # what an opioid adds to C / Ce50


class Population(Protocol):
    """A published model: typical kinetics and effect from context (B, 4), and the log SD of its nine traits."""

    @property
    def spread(self) -> tuple[float, ...]: ...
    def kinetics(self, context: Tensor) -> Compartments: ...
    def effect(self, context: Tensor) -> Effect: ...


@dataclass(frozen=True)
class Eleveld:
    """Eleveld et al. (2018), Br J Anaesth 120:942-959, tables 2 and 3: arterial samples, with opioids or without.

    Variances of the traits: V1 .610, V2 .565, V3 .597, CL .265, Q2 .346, Q3 .209, ke0 .702, Ce50 .242.
    """

    opioids: bool = True

    @property
    def spread(self) -> tuple[float, ...]:
        return tuple(v**0.5 for v in (0.610, 0.565, 0.597, 0.265, 0.346, 0.209, 0.702, 0.242, 0.0))

    def kinetics(self, context: Tensor) -> Compartments:
        age, weight, height, male = context.unbind(1)
        size = weight / 70
        opioid = 1.0 if self.opioids else 0.0
        lean = fat_free_mass(age, weight, height, male) / _reference_lean(context)
        fast_size = size * torch.exp(-0.0156 * (age - 35))
        slow_size = lean * torch.exp(-0.0138 * opioid * age)
        clearance = torch.where(male > 0.5, 1.79, 2.10) * size**0.75 * torch.exp(-0.00286 * opioid * age)
        mature, adult = _maturation(age), _maturation(torch.full_like(age, 35.0))
        return Compartments(
            central=6.28 * (weight / (weight + 33.6)) / (70 / (70 + 33.6)),
            fast=25.5 * fast_size,
            slow=273 * slow_size,
            elimination=clearance,
            to_fast=1.75 * fast_size**0.75 * (1 + 1.30 * (1 - mature)),
            to_slow=1.11 * slow_size**0.75 * mature / adult,
            effect=0.146 * size**-0.25,
        )

    def effect(self, context: Tensor) -> Effect:
        age = context[:, 0]
        return Effect(
            awake=torch.full_like(age, 93.0),
            half_effect=3.08 * torch.exp(-0.00635 * (age - 35)),
            below=torch.full_like(age, 1.89),
            above=torch.full_like(age, 1.47),
            delay=(15 + torch.exp(0.0517 * (age - 35))) / 60,
            opioid=torch.zeros_like(age),
        )


@dataclass(frozen=True)
class Schnider:
    """Kinetics of Schnider et al. (1998), Anesthesiology 88:1170, ke0 of Schnider et al. (1999), 90:1502.

    Effect of Bouillon et al. (2004), Anesthesiology 100:1353, with remifentanil held at `remifentanil` ng/mL, which
    adds to propofol as a share of its own half-effect concentration of 19.3 ng/mL. CV of
    V1 4.04, V2 1, V3 14.35, CL 10.05, Q2 1, Q3 11.79, Ce50 18.2, gamma 30.4 %; of ke0 42 % (a design choice). The
    monitor's delay is that of Eleveld.
    """

    remifentanil: float = 0.0

    @property
    def spread(self) -> tuple[float, ...]:
        return (0.0404, 0.01, 0.1435, 0.1005, 0.01, 0.1179, 0.403, 0.1805, 0.297)

    def kinetics(self, context: Tensor) -> Compartments:
        age, weight, height, male = context.unbind(1)
        ratio = (weight / height) ** 2
        lean = torch.where(male > 0.5, 1.1 * weight - 128 * ratio, 1.07 * weight - 148 * ratio)  # James (1976)
        clearance = 1.89 + 0.0456 * (weight - 77) - 0.0681 * (lean - 59) + 0.0264 * (height - 177)
        one = torch.ones_like(age)
        return Compartments(
            central=4.27 * one,
            fast=(18.9 - 0.391 * (age - 53)).clamp_min(2.0),  # else it vanishes beyond 101 years
            slow=238 * one,
            elimination=clearance.clamp_min(0.4),
            to_fast=(1.29 - 0.024 * (age - 53)).clamp_min(0.1),
            to_slow=0.836 * one,
            effect=0.456 * one,
        )

    def effect(self, context: Tensor) -> Effect:
        age = context[:, 0]
        one = torch.ones_like(age)
        return Effect(
            awake=97.4 * one,
            half_effect=4.47 * one,
            below=1.43 * one,
            above=1.43 * one,
            delay=(15 + torch.exp(0.0517 * (age - 35))) / 60,
            opioid=self.remifentanil / 19.3 * one,
        )


def fat_free_mass(age: Tensor, weight: Tensor, height: Tensor, male: Tensor) -> Tensor:
    """Fat-free mass (B,) kg: Al-Sallami et al. (2015), Clin Pharmacokinet 54:1169, as used by Eleveld."""
    index = weight / (height / 100) ** 2
    man = (0.88 + 0.12 / (1 + (age / 13.4) ** -12.7)) * 9270 * weight / (6680 + 216 * index)
    woman = (1.11 - 0.11 / (1 + (age / 7.1) ** -1.1)) * 9270 * weight / (8780 + 244 * index)
    return torch.where(male > 0.5, man, woman)


def _reference_lean(context: Tensor) -> Tensor:
    """Fat-free mass of the reference: a man of 35 years, 70 kg, 170 cm."""
    return fat_free_mass(*(torch.full_like(context[:, 0], x) for x in (35.0, 70.0, 170.0, 1.0)))


def _maturation(age: Tensor) -> Tensor:
    """Maturation of Q3, 0..1, from age in years after a birth at 40 weeks."""
    weeks = age * 52 + 40
    return weeks / (weeks + 68.3)


def draw_context(noise: Tensor) -> Tensor:
    """Age (18-90 years), weight (kg), height (cm) and sex (B, 4) from noise (B, 4). Design choices."""
    male = (noise[:, 3] < 0).to(noise.dtype)
    height = (163 + 13 * male + 7 * noise[:, 2]).clamp(140, 210)
    index = (25.5 * torch.exp(0.15 * noise[:, 1])).clamp(18, 42)
    return torch.stack((18 + 72 * ndtr(noise[:, 0]), index * (height / 100) ** 2, height, male), 1)


def individual(population: Population, context: Tensor, noise: Tensor) -> tuple[Compartments, Effect]:
    """The kinetics and effect of patients of context (B, 4): typical times lognormal, from noise (B, 9)."""
    factors = torch.exp(noise * noise.new_tensor(population.spread)).unbind(1)
    typical, effect = population.kinetics(context), population.effect(context)
    kinetics = Compartments(*(t * f for t, f in zip(typical, factors, strict=False)))
    half, slope = factors[KINETIC_TRAITS:]
    return kinetics, effect._replace(
        half_effect=effect.half_effect * half, below=effect.below * slope, above=effect.above * slope
    )
