"""The sepsis patient whose truth is known: fluid and norepinephrine over the first days of septic shock.

Version 7 of a composite model; see `sepsis_dynamics` for what is published and what is a design choice. A plausible
test bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .sepsis_clinician import SepsisClinician
from .sepsis_course import course
from .sepsis_memory import SepsisMemory
from .sepsis_observation import OBSERVATION_NOISE, due, measure, remember
from .sepsis_patients import CLINICIAN_NOISE, PATIENT_NOISE, draw_context, draw_patients, severity_given
from .sepsis_spec import SPEC

COURSE_NOISE = 3  # columns of a step before the observation's: death, infection, vasomotor tone


@dataclass(frozen=True)
class Sepsis:
    """A `PatientModel` of septic shock; nobody is discharged, so a stay ends by death or by the horizon.

    A step may last up to `longest_hours`; it is cut into sub-steps of at most `substep_minutes`. From 5 to 2.5 minutes
    the clinician's mortality moves by less than .2 points (`pytest -m slow -k sub_steps`).
    """

    longest_hours: float = 4.0
    substep_minutes: float = 5.0

    def __post_init__(self) -> None:
        if not (self.longest_hours > 0 and self.substep_minutes > 0):
            raise ValueError(f"longest_hours and substep_minutes must be positive, got {self}")

    @property
    def spec(self) -> Spec:
        return SPEC

    @property
    def noise_dim(self) -> int:
        return COURSE_NOISE + OBSERVATION_NOISE

    @property
    def admit_noise_dim(self) -> int:
        return PATIENT_NOISE + CLINICIAN_NOISE + OBSERVATION_NOISE

    @property
    def fixed_hours(self) -> float | None:
        return None

    @property
    def substeps(self) -> int:
        """Sub-steps of every step, whatever its length, so that their number needs no look at the data."""
        return math.ceil(self.longest_hours * 60 / self.substep_minutes - 1e-9)

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> SepsisClinician:
        """The behaviour policy of the cohort; `confounding` moves whom more is given, not how well patients fare."""
        return SepsisClinician(confounding, hidden_confounding)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients at admission, everything measured once; a given context (B, 4) conditions the hidden severity.

        Raises ValueError where noise is not (B, admit_noise_dim) or context not (B, 4).
        """
        _expect("noise", noise, self.admit_noise_dim)
        traits, observing = torch.split(noise, [PATIENT_NOISE + CLINICIAN_NOISE, OBSERVATION_NOISE], 1)
        if context is None:
            context, zeta = draw_context(noise), noise[:, 2]
        else:
            _expect("context", context, len(SPEC.context))
            zeta = severity_given(context, noise)
        memory = draw_patients(context, zeta, traits)
        zero = torch.zeros_like(zeta)
        measured = measure(memory, context[:, 1], zero, observing)
        return PatientState(
            vitals=measured,
            seen=torch.ones_like(measured, dtype=torch.bool),
            age=torch.zeros_like(measured),
            memory=remember(memory, measured).pack(),
            belief=noise.new_zeros(len(noise), 0),
            context=context,
            hours=zero,
            last_dose=noise.new_zeros(len(noise), len(SPEC.drugs)),
            total_dose=noise.new_zeros(len(noise), len(SPEC.drugs)),
            outcome=torch.zeros_like(zero, dtype=torch.int64),
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients `hours` (B,) later; dose (B, 2) fluid mL/h and norepinephrine ug/kg/min; noise (B, 15).

        Raises ValueError where a dose leaves its drug's range, or hours leave 0..longest_hours.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(SPEC, dose, hours, self.longest_hours)
        died, infection, tone, observing = torch.split(noise, [1, 1, 1, OBSERVATION_NOISE], 1)
        memory = _shake(SepsisMemory.unpack(state.memory), hours, infection[:, 0], tone[:, 0])
        fluid, norepinephrine = dose.t().contiguous().unbind(0)
        memory = course(memory, state.context, (fluid, norepinephrine), (state.hours, hours, self.substeps))
        later = state.hours + hours
        seen = due(state.hours, later)
        measured = measure(memory, state.context[:, 1], norepinephrine, observing)
        vitals, age = carry(SPEC, state.vitals, state.age, hours, measured, seen)
        dies = (state.outcome == 0) & (ndtr(died[:, 0]) < memory.risk)
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=remember(memory, vitals).pack(),
            hours=later,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=torch.where(dies, DIED, state.outcome),
        )


def _shake(m: SepsisMemory, hours: Tensor, infection: Tensor, tone: Tensor) -> SepsisMemory:
    """Random change of infection and vasomotor tone over `hours` (B,): per 4 h an SD of .04, a correlation of .8."""
    kept = 0.8 ** (hours / 4)
    return m._replace(
        infection=(m.infection * torch.exp(0.04 * (hours / 4).sqrt() * infection)).clamp(0.01, 1.3),
        tone=kept * m.tone + 0.06 * (1 - kept * kept).sqrt() * tone,
    )


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
