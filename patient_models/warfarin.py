"""The anticoagulated patient whose truth is known: warfarin, genotypes and the INR.

Kinetics and effect are published population models, see `warfarin_population` and `warfarin_dynamics`; events follow
published rates by INR, see `warfarin_events`. Without variation within a patient, a titrated INR would be in range 96 %
of the time; here EC50 drifts with the diet and tablets are missed, by amounts (design choices) that give the time in
range of real clinics. A plausible test bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .warfarin_clinician import WarfarinClinician
from .warfarin_dynamics import Body, Course, choose, live, piece, swallow
from .warfarin_events import event
from .warfarin_memory import WarfarinMemory
from .warfarin_population import (
    CONTEXT_NOISE,
    HAMBERG,
    TRAIT_NOISE,
    Population,
    draw_genotype,
    draw_person,
    typical,
)
from .warfarin_spec import DAY, DIET_MEAN, DIET_SD, FEATURES, PERSON, SHOWN_DIET, warfarin_spec
from .warfarin_titration import plan_after

OBSERVATION_NOISE = 2  # INR and diet score
EVENT_NOISE = 2
_EPSILON = 1e-2  # hours


@dataclass(frozen=True)
class Warfarin:
    """A `PatientModel` of anticoagulation; major bleeding and thromboembolism end a course, else the horizon does.

    A dose is a mean rate, swallowed as one tablet a day; the first at admission. A step lasts up to `longest_hours`.
    Every step is the exact course but for the quadrature (1e-4 of the INR), however it is cut. `genotype` False hides
    the genotypes from the record. `review` adds the next visit to the drugs, for treatments that decide on it.
    `variability` scales how patients differ, `sway` is the SD of log EC50 within one, with a time constant of
    `sway_days`; `missed` is the share of tablets forgotten, `noise_sd` the SD of the measured log INR.
    """

    population: Population = HAMBERG
    genotype: bool = True
    review: bool = False
    longest_hours: float = 28 * DAY
    variability: float = 1.0
    sway: float = 0.30
    sway_days: float = 14.0
    missed: float = 0.05
    noise_sd: float = 0.08
    events: bool = True

    def __post_init__(self) -> None:
        if not (self.longest_hours > 0 and self.sway_days > 0 and min(self.variability, self.sway, self.noise_sd) >= 0):
            raise ValueError(f"longest_hours and sway_days must be positive, SDs and variability not negative: {self}")
        if not 0 <= self.missed < 0.5:  # noise of zero is a tablet taken
            raise ValueError(f"expected a share of missed tablets in 0..0.5, excluded, got {self.missed}")

    @property
    def spec(self) -> Spec:
        return warfarin_spec(self.genotype, self.review)

    @property
    def days(self) -> int:
        """Whole days that fit into the longest step."""
        return math.ceil(self.longest_hours / DAY - 1e-9)

    @property
    def noise_dim(self) -> int:
        return 2 * (self.days + 1) + EVENT_NOISE + OBSERVATION_NOISE

    @property
    def admit_noise_dim(self) -> int:
        return CONTEXT_NOISE + TRAIT_NOISE + OBSERVATION_NOISE

    @property
    def fixed_hours(self) -> float | None:
        return None

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> WarfarinClinician:
        """The behaviour policy of the cohort: titration by thresholds of the INR."""
        return WarfarinClinician(confounding, hidden_confounding)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients before their first tablet, everything measured once; context (B, C) as the spec says.

        Genotypes that the context does not hold are drawn. Raises ValueError where noise is not (B, admit_noise_dim)
        or context not (B, C).
        """
        _expect("noise", noise, self.admit_noise_dim)
        who, alleles, traits, observing = noise.split((len(PERSON), 4, TRAIT_NOISE, OBSERVATION_NOISE), 1)
        if context is None:
            person = draw_person(self.population, who)
            genotype = draw_genotype(self.population, person[:, 3], alleles)
            context = torch.cat((person, genotype), 1) if self.genotype else person
        _expect("context", context, len(self.spec.context))
        person = context[:, : len(PERSON)]
        genotype = context[:, len(PERSON) :] if self.genotype else draw_genotype(self.population, person[:, 3], alleles)
        memory = self._draw(person, genotype, traits)
        measured = self._measure(memory.inr[0], memory.diet[0], observing)
        nothing = noise.new_zeros(len(noise), len(self.spec.drugs))
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
        """The patients at the next visit, `hours` (B,) later, under a dose (B, 1) mg/d; everything is measured there.

        Raises ValueError where a dose leaves its drug's range, or hours leave 0..longest_hours.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(self.spec, dose, hours, self.longest_hours)
        memory = WarfarinMemory.unpack(state.memory)
        tablets, chance, observing = noise.split((2 * (self.days + 1), EVENT_NOISE, OBSERVATION_NOISE), 1)
        body = self._live(memory, dose[:, 0], state.hours, hours, tablets)
        after = memory._replace(
            amounts=torch.stack((body.gut, body.drug)),
            deficit=body.deficit.flatten(0, 1),
            diet=body.diet[None],
            inr=body.inr[None],
            highest=body.highest[None],
            bands=body.bands,
            plan=plan_after(state, dose[:, 0])[None],
        )
        measured = self._measure(body.inr, body.diet, observing)
        seen = torch.ones_like(measured, dtype=torch.bool)
        vitals, age = carry(self.spec, state.vitals, state.age, hours, measured, seen)
        happens = event(body.bands - memory.bands, chance)
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=after.pack(),
            hours=state.hours + hours,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=torch.where(state.outcome == 0, happens, state.outcome) if self.events else state.outcome,
        )

    def _draw(self, person: Tensor, genotype: Tensor, noise: Tensor) -> WarfarinMemory:
        """Patients without drug, from noise (B, 5)."""
        clearance, half = typical(self.population, person, genotype)
        own = self.variability * noise[:, :3] * noise.new_tensor(self.population.spread)
        factors = torch.exp(own)
        volume = self.population.volume * factors[:, 1]
        mean, spread = self.population.baseline
        baseline = (mean + self.variability * spread * noise[:, 3]).clamp_min(0.9)
        total = max(math.hypot(self.population.spread[0], self.population.spread[2]), 1e-6)
        nothing = torch.zeros_like(baseline)[None]
        return WarfarinMemory(
            elimination=(clearance * factors[:, 0] / volume)[None],
            volume=volume[None],
            half_effect=(half * factors[:, 2])[None],
            baseline=baseline[None],
            genotype=genotype.t(),
            sensitivity=-(own[:, 0] + own[:, 2])[None] / total,
            amounts=nothing.expand(2, -1),
            deficit=nothing.expand(6, -1),
            diet=noise[:, 4][None],
            inr=baseline[None],
            highest=baseline[None],
            bands=nothing.expand(4, -1),
            plan=nothing,
        )

    def _live(self, m: WarfarinMemory, dose: Tensor, start: Tensor, hours: Tensor, noise: Tensor) -> Body:
        """From tablet to tablet: up to the first one of the step, whole days, and what is left of the last day."""
        course = self._course(m)
        gut, drug = m.amounts
        body = Body(gut, drug, m.deficit.unflatten(0, (3, 2)), m.diet[0], m.inr[0], m.highest[0], m.bands)
        lead = torch.minimum((-start).remainder(DAY), hours)
        lead = torch.where(lead > DAY - _EPSILON, 0.0, lead)
        body = live(body, course, piece(course, lead))
        left = hours - lead
        taken = torch.where(ndtr(noise[:, 0::2]) > self.missed, dose[:, None] * self.population.active, 0.0).t()
        shock, kept = noise[:, 1::2].t(), math.exp(-1 / self.sway_days)
        day = piece(course, hours.new_tensor([DAY]))
        for j in range(self.days):
            whole = left > DAY * (j + 1) - _EPSILON
            body = choose(whole, live(swallow(body, taken[j], kept, shock[j]), course, day), body)
        full = ((left + _EPSILON) / DAY).floor()
        rest = torch.where(left - DAY * full > _EPSILON, left - DAY * full, 0.0)
        last = full.long().clamp_max(self.days)[None]
        opened = swallow(body, taken.gather(0, last)[0], kept, shock.gather(0, last)[0])
        return live(choose(rest > 0, opened, body), course, piece(course, rest))

    def _course(self, m: WarfarinMemory) -> Course:
        return Course(
            absorption=self.population.absorption,
            elimination=m.elimination[0],
            hill=self.population.hill,
            log_half=(m.half_effect * m.volume).log()[0],
            sway=self.sway,
            rates=m.volume.new_tensor([[3 / hours] for hours in self.population.transit]),
            baseline=m.baseline[0],
        )

    def _measure(self, inr: Tensor, diet: Tensor, noise: Tensor) -> Tensor:
        """What the clinic sees (B, 2): the INR with a lognormal error, and a diet score, from noise (B, 2)."""
        score = DIET_MEAN + DIET_SD * (SHOWN_DIET * diet + math.sqrt(1 - SHOWN_DIET**2) * noise[:, 1])
        values = (inr * torch.exp(self.noise_sd * noise[:, 0]), score)
        return torch.stack(tuple(v.clamp(f.low, f.high) for v, f in zip(values, FEATURES, strict=True)), 1)


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
