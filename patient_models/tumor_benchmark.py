"""The tumour of the counterfactual literature: daily chemotherapy and radiotherapy, 60 days, exactly known.

Lim et al. (2018) on the model of Geng et al. (2017), see `tumor_growth` and `tumor_population`. Volumes are recorded
without error and treatment has no cost, so treating always is best: this is a benchmark of counterfactual prediction,
not of decisions. For those see `tumor`. A plausible test bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, DISCHARGED, IN_CARE, Drug, Feature, PatientState, Spec
from .dose_range import refuse_outside
from .tumor_benchmark_clinician import WINDOW, BenchmarkClinician
from .tumor_growth import DEATH_VOLUME, FRACTION, Tumor, cure_probability, diameter_of, next_day, volume_of
from .tumor_population import DRAWS, draw_traits

DAY = 24.0  # hours
DECISIONS = 58  # of 60 recorded days: the first is before any decision, the last ends the stay
COHORT = (10_000, 1_000, 1_000)  # training, validation and test patients of the literature
SPEC = Spec(
    features=(Feature("volume", "cm3", 0.0, 1151.0, (0.1, 300.0), scale="log", label="Tumour volume"),),
    drugs=(
        Drug("chemotherapy", "units/d", 1.0, (0.0, 1.0), (0.5,), "Chemotherapy"),
        Drug("radiotherapy", "Gy/d", FRACTION, (0.0, FRACTION), (FRACTION / 2,), "Radiotherapy"),
    ),
    context=(Feature("type", "", 1.0, 3.0, (1.0, 3.0), label="Patient type"),),
    outcomes=("in care", "cured", "died"),
)


class BenchmarkMemory(NamedTuple):
    """The hidden columns, each (B,), and the diameters (WINDOW, B) that the clinician looks back on."""

    alpha: Tensor  # 1/Gy
    growth: Tensor  # rho, 1/day
    chemosensitivity: Tensor  # beta_c
    volume: Tensor  # cm3
    concentration: Tensor  # mg/m3 left of earlier days
    stage: Tensor  # 0..4
    days: Tensor  # how many of the diameters count, up to WINDOW
    diameters: Tensor  # (WINDOW, B) cm on earlier days, the latest first

    def pack(self) -> Tensor:
        """Memory (B, M)."""
        return torch.cat((torch.stack(self[:-1]), self.diameters)).t()

    @classmethod
    def unpack(cls, memory: Tensor) -> BenchmarkMemory:
        """The columns of memory (B, M), each contiguous."""
        columns = memory.t().contiguous()
        return cls(*(*columns[:-WINDOW].unbind(0), columns[-WINDOW:]))


COLUMN = {name: index for index, name in enumerate(BenchmarkMemory._fields[:-1])}
"""Column of the memory by name."""


@dataclass(frozen=True)
class TumorBenchmark:
    """A `PatientModel` in steps of one day. Death at 13 cm terminates, and so does a cure (outcome 1)."""

    @property
    def spec(self) -> Spec:
        return SPEC

    @property
    def noise_dim(self) -> int:
        return 2

    @property
    def admit_noise_dim(self) -> int:
        return DRAWS + 1

    @property
    def fixed_hours(self) -> float | None:
        return DAY

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> BenchmarkClinician:
        """The behaviour policy of the literature; `confounding` is its gamma."""
        return BenchmarkClinician(confounding, hidden_confounding)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Patients after a first day without treatment, noise (B, 7); context (B, 1) is the patient's type.

        Raises ValueError where noise or context have another shape.
        """
        _expect("noise", noise, self.admit_noise_dim)
        if context is not None:
            _expect("context", context, len(SPEC.context))
        traits = draw_traits(noise[:, :DRAWS], None if context is None else context[:, 0])
        context = traits.kind[:, None]
        none = torch.zeros_like(traits.alpha)
        size = volume_of(traits.diameter)
        start = Tumor(traits.alpha, traits.growth, traits.chemosensitivity, size, none)
        volume = next_day(start, none, none, noise[:, DRAWS]).volume.clamp(max=DEATH_VOLUME)
        memory = BenchmarkMemory(
            alpha=traits.alpha,
            growth=traits.growth,
            chemosensitivity=traits.chemosensitivity,
            volume=volume,
            concentration=none,
            stage=traits.stage,
            days=torch.ones_like(none),
            diameters=torch.cat((traits.diameter[None], none.expand(WINDOW - 1, -1))),
        )
        return PatientState(
            vitals=volume[:, None],
            seen=torch.ones_like(context, dtype=torch.bool),
            age=torch.zeros_like(context),
            memory=memory.pack(),
            belief=noise.new_zeros(len(noise), 0),
            context=context,
            hours=none,
            last_dose=noise.new_zeros(len(noise), len(SPEC.drugs)),
            total_dose=noise.new_zeros(len(noise), len(SPEC.drugs)),
            outcome=torch.zeros_like(none, dtype=torch.int64),
        )

    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """The patients a day later under units and Gy per day dose (B, 2); noise (B, 2): growth and cure.

        Raises ValueError where a dose leaves its drug's range, or hours are more than a day.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(SPEC, dose, hours, DAY)
        m = BenchmarkMemory.unpack(state.memory)
        tumor = next_day(Tumor(*m[:5]), dose[:, 0], dose[:, 1], noise[:, 0])
        died = tumor.volume > DEATH_VOLUME
        cured = ~died & (ndtr(noise[:, 1]) < cure_probability(tumor.volume))
        fate = torch.where(died, DIED, torch.where(cured, DISCHARGED, IN_CARE))
        volume = torch.where(cured, 0.0, tumor.volume.clamp(0, DEATH_VOLUME))
        outcome = torch.where(state.outcome == IN_CARE, fate, state.outcome)
        memory = m._replace(
            volume=volume,
            concentration=tumor.concentration,
            days=(m.days + 1).clamp_max(WINDOW),
            diameters=torch.cat((diameter_of(m.volume)[None], m.diameters[:-1])),
        )
        return state.replace(
            vitals=volume[:, None],
            seen=torch.ones_like(state.seen),
            age=torch.zeros_like(state.age),
            memory=memory.pack(),
            hours=state.hours + hours,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=outcome,
        )


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
