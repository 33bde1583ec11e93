"""The patient with type 1 diabetes whose truth is known: basal and bolus insulin, meals, and a glucose sensor.

Equations, virtual patients, meals and sensor are published, see `glucose_dynamics`, `glucose_table`, `glucose_meals`
and `glucose_sensor`; drifting sensitivity, misjudged meals and the pump's steps are design choices. A plausible test
bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .glucose_clinician import GlucoseClinician
from .glucose_dynamics import PMOL_PER_UNIT, body_of, runge_kutta
from .glucose_meals import announced, draw_meals, eaten, meal_noise, next_meal
from .glucose_memory import GlucoseMemory, unpack
from .glucose_sensor import LATENT_SD, reading, wander
from .glucose_spec import CONTEXT, MINUTE, glucose_spec
from .glucose_table import PARAMETERS, virtual_patients

BOLUS_HOURS = 5 * MINUTE  # within which a bolus is under the skin
ON_BOARD = 1.5  # hours, time constant of the pump's insulin on board
DRIFT = 24.0  # hours, time constant of sensitivity
LEAST, MOST = 10.0, 600.0  # mg/dL beyond which the stay ends, as in the reference simulator
_WEIGHT, _VOLUME = PARAMETERS.index("BW"), PARAMETERS.index("Vg")


@dataclass(frozen=True)
class Glucose:
    """A `PatientModel` of one of the 30 virtual patients (`group`: all, adolescent, adult or child) over `days`.

    Days begin at midnight; there are no meals after the last. The bolus levels are meant for decisions every
    `interval_hours`; a step may last up to the longer of that and `longest_hours`, and is cut into sub-steps of at
    most `substep_minutes`: halving 1 minute moves glucose by .03 mg/dL on average, by up to 2 while somebody eats.
    `variability` is the SD of the log sensitivity to insulin, `misjudged` that of announced meals, `noise` the share
    of the sensor's noise; with all three 0 and no pump steps this is the reference simulator.
    """

    group: str = "all"
    days: int = 3
    interval_hours: float = 5 * MINUTE
    longest_hours: float = 0.0
    substep_minutes: float = 1.0
    sensor_minutes: float = 5.0
    variability: float = 0.15
    misjudged: float = 0.2
    noise: float = 1.0
    bolus_step: float = 0.05  # U; 0 for none
    basal_step: float = 0.025  # U/h; 0 for none

    def __post_init__(self) -> None:
        virtual_patients().members(self.group)
        if not (self.days > 0 and min(self.interval_hours, self.substep_minutes, self.sensor_minutes) > 0):
            raise ValueError(f"days, interval_hours, substep_minutes and sensor_minutes must be positive, got {self}")

    @functools.cached_property
    def spec(self) -> Spec:
        return glucose_spec(self.interval_hours)

    @property
    def noise_dim(self) -> int:
        return 2  # sensor, sensitivity

    @property
    def admit_noise_dim(self) -> int:
        return 3 + meal_noise(self.days)

    @property
    def fixed_hours(self) -> float | None:
        return None

    @property
    def longest(self) -> float:
        """Hours of the longest step."""
        return max(self.interval_hours, self.longest_hours)

    @property
    def substeps(self) -> int:
        """Sub-steps of every step, whatever its length, so that their number needs no look at the data."""
        return math.ceil(self.longest * 60 / self.substep_minutes - 1e-6)

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> GlucoseClinician:
        """The behaviour policy of the cohort: basal-bolus by the carbohydrate ratio and correction factor."""
        return GlucoseClinician(confounding, hidden_confounding, interval_hours=self.interval_hours)

    def next_decision(self, state: PatientState) -> Tensor:
        """Hours (B,) to the next decision where they are irregular: the next meal, or the longest step before it."""
        return next_meal(unpack(state.memory, self.days), state.hours).clamp(BOLUS_HOURS, self.longest)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients at rest at midnight. A given context (B, 6) is met by the virtual patient who is most like it.

        Raises ValueError where noise is not (B, admit_noise_dim) or context not (B, 6).
        """
        _expect("noise", noise, self.admit_noise_dim)
        if context is None:
            members = torch.tensor(virtual_patients().members(self.group), device=noise.device)
            patient = members[(ndtr(noise[:, 0]) * len(members)).long().clamp_max(len(members) - 1)]
            context = _advice(noise.device)[patient]
        else:
            _expect("context", context, len(CONTEXT))
            patient = torch.cdist(context.log(), _advice(noise.device).log()).argmin(1)
        memory = self._at_rest(patient, noise)
        nothing = torch.zeros_like(noise[:, 0])
        shown = reading(memory.glucose[0], memory.sensor[0], self.noise)
        vitals = torch.stack((shown, nothing, announced(memory, nothing - 1, nothing), nothing), 1)
        return PatientState(
            vitals=vitals,
            seen=torch.ones_like(vitals, dtype=torch.bool),
            age=torch.zeros_like(vitals),
            memory=memory.pack(),
            belief=noise.new_zeros(len(noise), 0),
            context=context,
            hours=nothing,
            last_dose=noise.new_zeros(len(noise), len(self.spec.drugs)),
            total_dose=noise.new_zeros(len(noise), len(self.spec.drugs)),
            outcome=torch.zeros_like(patient),
        )

    def _at_rest(self, patient: Tensor, noise: Tensor) -> GlucoseMemory:
        """Memory of the virtual patients in these places (B,) of the table, at midnight before the first meal."""
        table = virtual_patients(noise.device)
        body = table.rest[:, patient]
        skin = body[12:] / table.parameters[_VOLUME, patient]
        nothing = torch.zeros_like(skin)
        starts, grams, estimates = draw_meals(noise[:, 3:], self.days, self.misjudged)
        return GlucoseMemory(
            patient=patient[None].to(noise.dtype),
            sensitivity=self.variability * noise[None, :, 1],
            body=body,
            meal_base=nothing,
            meal_taken=nothing,
            eating=nothing,
            sensor=LATENT_SD * noise[None, :, 2],
            bolus_on_board=nothing,
            glucose=skin,
            lowest=skin,
            starts=starts,
            grams=grams,
            estimates=estimates,
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients `hours` (B,) later; dose (B, 2) basal x usual and bolus U/kg/h; noise (B, 2).

        The bolus, rate x hours but at most x interval_hours, is given within the first five minutes. Raises ValueError
        where a dose leaves its drug's range, or hours leave 0..longest.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(self.spec, dose, hours, self.longest)
        before = unpack(state.memory, self.days)
        units = _rounded(dose[:, 1] * hours.clamp_max(self.interval_hours) * state.context[:, 1], self.bolus_step)
        basal = _rounded(dose[:, 0] * state.context[:, 4], self.basal_step)
        memory, highest = self._live(before, state.hours, hours, (basal, units))
        kept = torch.exp(-hours / DRIFT)
        drifted = kept * before.sensitivity + self.variability * (1 - kept * kept).sqrt() * noise[:, 1]
        on_board = (before.bolus_on_board + units / state.context[:, 1]) * torch.exp(-hours / ON_BOARD)
        memory = memory._replace(
            sensitivity=drifted, sensor=wander(before.sensor, hours, noise[:, 0]), bolus_on_board=on_board
        )
        later = state.hours + hours
        measured, seen = self._measure(state, memory, later)
        vitals, age = carry(self.spec, state.vitals, state.age, hours, measured, seen)
        over = (memory.lowest[0] < LEAST) | (highest > MOST)
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=memory.pack(),
            hours=later,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=torch.where((state.outcome == 0) & over, DIED, state.outcome),
        )

    def _live(
        self, m: GlucoseMemory, start: Tensor, hours: Tensor, insulin: tuple[Tensor, Tensor]
    ) -> tuple[GlucoseMemory, Tensor]:
        """The patient after the step under insulin (basal U/h, bolus U), and the highest glucose (B,) on the way."""
        table, patient = virtual_patients(start.device), m.patient[0].long()
        parameters = table.parameters.index_select(1, patient)
        b = body_of(parameters, m.sensitivity[0])
        dt = hours / self.substeps
        per_hour = PMOL_PER_UNIT / 60 / b.weight  # pmol/kg/min per U/h
        window = hours.clamp(1e-9, BOLUS_HOURS)
        x, base, taken, eating = m.body, m.meal_base[0], m.meal_taken[0], m.eating[0]
        volume = parameters[_VOLUME]
        lowest = highest = x[12]
        eaten_before = eaten(m, start)
        for k in range(self.substeps):
            eaten_now = eaten(m, start + (k + 1) * dt)
            food = eaten_now - eaten_before  # mg
            busy = torch.gt(food, _CRUMB, out=torch.empty_like(food))
            begins = busy * (1 - eating)
            base = torch.lerp(base, x[0] + x[1], begins)
            taken = torch.addcmul(taken + food, begins, taken, value=-1)
            share = ((window - k * dt) / dt.clamp_min(1e-9)).clamp(0, 1)  # of the sub-step with the bolus flowing
            rate = insulin[0] + share * insulin[1] / window
            minutes = 60 * dt
            x = runge_kutta(x, b, (food / minutes.clamp_min(1e-6), rate * per_hour, base + taken), minutes)
            eating, eaten_before = busy, eaten_now
            lowest, highest = torch.minimum(lowest, x[12]), torch.maximum(highest, x[12])
        after = m._replace(
            body=x,
            meal_base=base[None],
            meal_taken=taken[None],
            eating=eating[None],
            glucose=(x[12] / volume)[None],
            lowest=(lowest / volume)[None],
        )
        return after, highest / volume

    def _measure(self, state: PatientState, m: GlucoseMemory, later: Tensor) -> tuple[Tensor, Tensor]:
        """What is shown (B, 4) at `later` (B,) hours, and what of it is new (B, 4) bool."""
        shown = reading(m.glucose[0], m.sensor[0], self.noise)
        every = self.sensor_minutes * MINUTE
        new = ((later + _EPSILON) / every).floor() > ((state.hours + _EPSILON) / every).floor()
        minutes = 60 * (state.age[:, 0] + later - state.hours)
        trend = ((shown - state.vitals[:, 0]) / minutes.clamp_min(1.0)).clamp(-20, 20)
        values = (shown, trend, announced(m, state.hours, later), m.bolus_on_board[0])
        always = torch.ones_like(new)
        return torch.stack(values, 1), torch.stack((new, new, always, always), 1)


_CRUMB = 1e-2  # mg
_EPSILON = 1e-3  # hours


@functools.lru_cache(maxsize=8)
def _advice(device: torch.device) -> Tensor:
    """What each virtual patient is told (P, 6): the context columns."""
    table = virtual_patients(device)
    ratio, factor, age, daily = table.advice.unbind(0)
    weight = table.parameters[_WEIGHT]
    basal = table.parameters[PARAMETERS.index("u2ss")] * weight * 60 / PMOL_PER_UNIT
    return torch.stack((age, weight, ratio, factor, basal, daily), 1)


def _rounded(amount: Tensor, step: float) -> Tensor:
    return (amount / step).round() * step if step > 0 else amount


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
