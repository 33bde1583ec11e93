"""The anaesthetised patient whose truth is known: propofol by infusion, bispectral index and arterial pressure.

Kinetics and effect are published population models, see `propofol_population`; noise, stimuli's variability and
monitoring are design choices. A plausible test bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .propofol_clinician import TARGET, PropofolClinician
from .propofol_effect import (
    PRESSURE_DECAYS,
    PRESSURE_FALL,
    PRESSURE_HALF,
    arousal,
    arterial_pressure,
    delayed,
    hypnosis,
)
from .propofol_kinetics import apart, drift, effect_site, modes, plasma
from .propofol_memory import SAMPLES, PropofolMemory
from .propofol_population import EFFECT_TRAITS, KINETIC_TRAITS, Eleveld, Population, draw_context, individual
from .propofol_spec import MINUTE, SECOND, SPEC

WINDUP = 25.0  # BIS points: a greater error, as at induction, is not integrated
OBSERVATION_NOISE = 2  # BIS artefact and MAP
TRAIT_NOISE = KINETIC_TRAITS + EFFECT_TRAITS + 7  # and two stimulus columns, five of arterial pressure
CUTOFF = 0.03  # Hz, of the monitor's noise
LONG_AGO = 60.0  # minutes
_EPSILON = 0.1 * SECOND


@dataclass(frozen=True)
class Propofol:
    """A `PatientModel` of anaesthesia; nobody dies or is discharged, so a stay ends at the horizon.

    The linear kinetics are solved exactly, whatever the length of a step; the monitor's delay is exact for steps
    longer than it, and else interpolated between the last 14 steps, which should be 2.5 s or more. `variability`
    scales how patients differ (0: the typical patient), `arousal` the surgeon's stimuli, `noise_sd` is that of the
    BIS. The pump predicts with the typical patient of `pump`.
    """

    population: Population = field(default_factory=Eleveld)
    pump: Population = field(default_factory=Eleveld)
    longest_hours: float = 4.0
    variability: float = 1.0
    arousal: float = 1.0
    noise_sd: float = 3.0

    def __post_init__(self) -> None:
        if not (self.longest_hours > 0 and min(self.variability, self.arousal, self.noise_sd) >= 0):
            raise ValueError(f"longest_hours must be positive, variability, arousal and noise_sd not negative: {self}")

    @property
    def spec(self) -> Spec:
        return SPEC

    @property
    def noise_dim(self) -> int:
        return OBSERVATION_NOISE

    @property
    def admit_noise_dim(self) -> int:
        return len(SPEC.context) + TRAIT_NOISE + OBSERVATION_NOISE

    @property
    def fixed_hours(self) -> float | None:
        return None

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> PropofolClinician:
        """The behaviour policy of the cohort: target-controlled infusion, corrected by the BIS."""
        return PropofolClinician(confounding, hidden_confounding)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Awake patients, everything measured once; context (B, 4) is age, weight, height and sex.

        Raises ValueError where noise is not (B, admit_noise_dim) or context not (B, 4).
        """
        _expect("noise", noise, self.admit_noise_dim)
        person, traits, observing = noise.split((len(SPEC.context), TRAIT_NOISE, OBSERVATION_NOISE), 1)
        if context is None:
            context = draw_context(person)
        _expect("context", context, len(SPEC.context))
        memory = self._draw(context, self.variability * traits)
        memory = memory._replace(artefact=self.noise_sd * observing[None, :, 0])
        nothing = torch.zeros_like(context[:, :1])
        measured = self._measure(memory, nothing[:, 0], observing)
        return PatientState(
            vitals=measured,
            seen=torch.ones_like(measured, dtype=torch.bool),
            age=torch.zeros_like(measured),
            memory=memory.pack(),
            belief=noise.new_zeros(len(noise), 0),
            context=context,
            hours=nothing[:, 0],
            last_dose=nothing,
            total_dose=nothing,
            outcome=torch.zeros_like(nothing[:, 0], dtype=torch.int64),
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients `hours` (B,) later under an infusion dose (B, 1) mg/kg/h; noise (B, 2).

        Raises ValueError where a dose leaves its drug's range, or hours leave 0..longest_hours.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(SPEC, dose, hours, self.longest_hours)
        rate = dose[:, 0] * state.context[:, 1] / 60  # mg/min
        later = state.hours + hours
        memory = _infuse(PropofolMemory.unpack(state.memory), rate, hours * 60)
        kept = torch.exp(-2 * math.pi * CUTOFF * 3600 * hours)
        artefact = kept * memory.artefact + (1 - kept * kept).sqrt() * self.noise_sd * noise[:, 0]
        memory = memory._replace(artefact=artefact)
        measured = self._measure(memory, later * 60, noise)
        seen = _due(state.hours, later)
        vitals, age = carry(SPEC, state.vitals, state.age, hours, measured, seen)
        error = vitals[:, 0] - TARGET
        integral = memory.integral + torch.where(error.abs() < WINDUP, error, 0.0) * hours * 60
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=memory._replace(integral=integral.clamp(-200, 200)).pack(),
            hours=later,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
        )

    def _draw(self, context: Tensor, noise: Tensor) -> PropofolMemory:
        """Patients without drug from context (B, 4) and noise (B, 16). Pressure's spread beyond C50 is a choice."""
        kinetics, effect = individual(self.population, context, noise[:, : KINETIC_TRAITS + EFFECT_TRAITS])
        surgeon, late, base, fall, first, second, speed = noise[:, KINETIC_TRAITS + EFFECT_TRAITS :].unbind(1)
        decay, share = modes(kinetics)
        typical = self.pump.kinetics(context)
        pump_decay, pump_share = modes(typical)
        pace = torch.exp(0.5 * speed)
        sites = torch.stack((kinetics.effect, *(k * pace for k in PRESSURE_DECAYS)))
        nothing = torch.zeros_like(decay[:1])
        return PropofolMemory(
            decay=decay,
            share=share,
            effect_decay=apart(sites, decay),
            half_effect=effect.half_effect[None],
            slopes=torch.stack((effect.below, effect.above)),
            awake=effect.awake[None],
            delay=effect.delay[None],
            opioid=effect.opioid[None],
            stimulus=torch.stack((self.arousal * torch.exp(0.3 * surgeon), 2 * late)),
            pressure=torch.stack(
                (
                    (90 + 10 * base).clamp(65, 125),
                    PRESSURE_FALL * torch.exp(0.10 * fall),
                    PRESSURE_HALF[0] * torch.exp(0.165 * first),
                    PRESSURE_HALF[1] * torch.exp(0.148 * second),
                )
            ),
            pump_decay=pump_decay,
            pump_share=pump_share,
            pump_effect_decay=apart(typical.effect[None], pump_decay),
            amounts=nothing.expand(6, -1),
            pump_amounts=nothing.expand(4, -1),
            artefact=nothing,
            past=nothing.expand(SAMPLES, -1),
            ago=LONG_AGO * torch.arange(SAMPLES, dtype=noise.dtype, device=noise.device)[:, None] + nothing,
            integral=nothing,
        )

    def _measure(self, m: PropofolMemory, minutes: Tensor, noise: Tensor) -> Tensor:
        """What the monitors and the pump show (B, 4) at `minutes` (B,). MAP has an SD of 5 mmHg (a design choice)."""
        points, mmhg = arousal(minutes, m)
        sites = effect_site(torch.cat((m.amounts[:3], m.amounts[4:])), m.share, m.decay, m.effect_decay[1:])
        pump_site = effect_site(m.pump_amounts, m.pump_share, m.pump_decay, m.pump_effect_decay)[0]
        index = hypnosis(delayed(m), m) + points
        values = (
            index + m.artefact[0],
            arterial_pressure(m, sites) + mmhg + (5 / 3) * self.noise_sd * noise[:, 1],
            pump_site,
            plasma(m.pump_amounts[:3], m.pump_share),
        )
        return torch.stack(tuple(v.clamp(f.low, f.high) for v, f in zip(values, SPEC.features, strict=True)), 1)


def _infuse(m: PropofolMemory, rate: Tensor, minutes: Tensor) -> PropofolMemory:
    """The patient after `minutes` (B,) at `rate` (B,) mg/min, and the pump's idea of it.

    Where the step outlasts the delay, what the monitor shows lies within it, and is kept in place of its start.
    """
    every = torch.cat((m.decay, m.effect_decay))
    amounts = drift(m.amounts, every, rate, minutes)
    now = effect_site(amounts[:4], m.share, m.decay, m.effect_decay[:1])
    until = (minutes - m.delay).clamp_min(0)
    then = drift(m.amounts[:4], every[:4], rate, until[0])
    shown = effect_site(then, m.share, m.decay, m.effect_decay[:1])
    second = torch.where(until > 0, shown, m.past[:1])
    ago = torch.where(until > 0, m.delay, m.ago[:1] + minutes)
    return m._replace(
        amounts=amounts,
        pump_amounts=drift(m.pump_amounts, torch.cat((m.pump_decay, m.pump_effect_decay)), rate, minutes),
        past=torch.cat((now, second, m.past[1:-1])),
        ago=torch.cat((torch.zeros_like(now), ago, m.ago[1:-1] + minutes)),
    )


def _due(before: Tensor, after: Tensor) -> Tensor:
    """Which features (B, 4) bool are measured after `before` and until `after` (B,) hours: MAP once a minute."""
    cuff = ((after + _EPSILON) / MINUTE).floor() > ((before + _EPSILON) / MINUTE).floor()
    always = torch.ones_like(cuff)
    return torch.stack((always, cuff, always, always), 1)


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
