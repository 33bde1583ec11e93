"""Drawing septic patients at admission from standard normals. Every distribution here is a design choice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.special import ndtr

from .sepsis_dynamics import REFLEX_SLOPE, circulation, excess, heart, norepinephrine_effect
from .sepsis_memory import SepsisMemory

PATIENT_NOISE = 24  # columns that draw the patient
CLINICIAN_NOISE = 2  # columns that draw the clinician on duty
SETTLING = 60  # relaxations of the baroreflex before admission


def draw_context(noise: Tensor) -> Tensor:
    """Age (years), weight (kg), hypertension (0/1) and SAPS II (B, 4) from noise (B, 24), column 2 the severity."""
    age = (65 + 15 * noise[:, 1]).clamp(18, 95)
    weight = (80 + 18 * noise[:, 0]).clamp(45, 150)
    hypertension = (ndtr(noise[:, 12]) < 0.4).to(noise.dtype)
    saps = (48 + 13 * (0.6 * noise[:, 2] + 0.8 * noise[:, 3]) + 0.25 * (age - 65)).clamp(20, 90)
    return torch.stack((age, weight, hypertension, saps), 1)


def severity_given(context: Tensor, noise: Tensor) -> Tensor:
    """Shared severity zeta (B,), standard normal, conditional on the SAPS II and age of context (B, 4)."""
    score = (context[:, 3] - 48 - 0.25 * (context[:, 0] - 65)) / 13
    return 0.6 * score + 0.8 * noise[:, 2]


def draw_patients(context: Tensor, zeta: Tensor, noise: Tensor) -> SepsisMemory:
    """Patients of context (B, 4) and severity zeta (B,), from noise (B, 24 + 2), at rest before the first dose.

    Admission MAP is drawn, and vasoplegia solved from it: this keeps the cohort in shock.
    """
    pressure = (56 - 2.5 * zeta + (8.0**2 - 2.5**2) ** 0.5 * noise[:, 23]).clamp(39.5, 74.5)
    memory = _settle(context, _patients_at(pressure, context, zeta, noise), pressure)
    return memory._replace(
        mean_pressure=memory.pressure,
        urine=0.5 * torch.sigmoid((memory.pressure - 58) / 5),
    )


def _patients_at(pressure: Tensor, context: Tensor, zeta: Tensor, noise: Tensor) -> SepsisMemory:
    """Traits and physiology (B,) at admission, vasoplegia and circulation still open."""
    z = noise.unbind(1)
    traits = _traits(context, zeta, z)
    known = {
        **traits,
        **_illness(context[:, 1], zeta, z, traits),
        "reflex": torch.sigmoid(REFLEX_SLOPE * (traits["set_point"] - pressure)),
        "assertiveness": torch.exp(0.3 * z[PATIENT_NOISE]),
        "cautious_start": (ndtr(z[PATIENT_NOISE + 1]) < 0.2).to(zeta.dtype),
    }
    zero = torch.zeros_like(zeta)
    return SepsisMemory(**{name: known.get(name, zero) for name in SepsisMemory._fields})


def _traits(context: Tensor, zeta: Tensor, z: Sequence[Tensor]) -> dict[str, Tensor]:
    """What does not change during the stay, each (B,), by its name in the memory."""
    hypertension, saps = context[:, 2], context[:, 3]
    contractility = torch.exp(-0.10 * zeta.clamp_min(0) + 0.15 * z[4])
    arrhythmic = ndtr(z[13]) < 0.35
    pneumonia = ndtr(z[20]) < 0.35
    good_control = z[5] < 0.8416  # of the source of infection: 80 %
    return {
        "contractility": contractility,
        "growth": 0.020 * torch.exp(0.25 * z[7]),
        "kill": torch.where(good_control, 0.018, 0.008) * torch.exp(0.3 * z[6]),
        "leak": torch.exp(0.3 * z[8]),
        "half_effect": 4.11 * torch.exp(0.30 * z[9]),
        "responsiveness": torch.exp(0.30 * z[10]),
        "clearance": 3.0 * (saps / 20) ** -1.096 * torch.exp(0.35 * z[11]),
        "arrhythmic": arrhythmic.to(zeta.dtype),
        "toxic_concentration": torch.where(arrhythmic, 4.0, 26.0),
        "tolerated_fluid": torch.where(contractility < 0.9, 0.5, 6.0),
        "set_point": 83 + 6 * hypertension + 3 * z[14],
        "rate_offset": 7 * z[18],
        "film_floor": (0.06 + 0.03 * z[19]).clamp(0, 0.2) + torch.where(pneumonia, 0.12, 0.0),
        "creatinine_floor": torch.exp(-0.05 + 0.25 * z[21]),
        "wbc_factor": torch.exp(0.3 * z[22]),
    }


def _illness(weight: Tensor, zeta: Tensor, z: Sequence[Tensor], traits: dict[str, Tensor]) -> dict[str, Tensor]:
    """How ill the patients arrive, each (B,), by its name in the memory; weight (B,) kg."""
    infection = (0.90 + 0.16 * zeta).clamp(0.45, 1.25)
    plasma = -(0.5 + 3.5 * ndtr(z[15])) * weight
    tissue = 0.9 * 3 * (1 + 0.75 * 0.9) / 0.8 * plasma  # balanced against it in a typical septic patient
    organ = (4.8 + 1.8 * zeta + 1.2 * z[16]).clamp(1, 15)
    overload = (plasma + tissue) / weight / 10
    return {
        "infection": infection,
        "vasodilation": infection,
        "plasma": plasma,
        "tissue": tissue,
        "lung_water": excess((overload - traits["tolerated_fluid"]) / 0.8),
        "organ": organ,
        "lactate": torch.exp(1.03 + 0.35 * zeta + 0.3 * z[17]).clamp(0.8, 12),
        "creatinine": traits["creatinine_floor"] * (1 + 0.06 * (organ - 3).clamp_min(0)),
    }


def _settle(context: Tensor, m: SepsisMemory, pressure: Tensor) -> SepsisMemory:
    """The same patients with the vasoplegia that gives the drawn `pressure` (B,), and a settled circulation."""
    weight = context[:, 1]
    drug = norepinephrine_effect(m, weight, torch.zeros_like(weight))
    flow = circulation(m.body(), heart(m, drug, weight), relaxations=0)
    resistance = (flow.pressure - flow.venous) / flow.output
    needed = (pressure - flow.venous) / flow.output
    m = m._replace(vasoplegia=((1 - needed / resistance) / m.infection).clamp(0, 0.75))
    flow = circulation(m.body(), heart(m, drug, weight), relaxations=SETTLING)
    return m._replace(
        reflex=flow.reflex, pressure=flow.pressure, heart_rate=flow.heart_rate, cardiac_output=flow.output
    )
