"""The HIV patient whose truth is known: structured treatment interruption with two drug classes.

The equations and typical parameters are those of Adams et al. (2004), see `hiv_dynamics`; what varies between
patients, how it is measured and who takes the tablets are design choices. A plausible test bed, not validated
physiology, and never medical advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .hiv_clinician import HIVClinician
from .hiv_dynamics import advance
from .hiv_memory import HIVMemory
from .hiv_patients import TRAITS, draw_adherence, draw_patients
from .hiv_spec import DAY, DETECTION_LIMIT, SPEC

OBSERVATION_NOISE = len(SPEC.features)
CYTOTOXIC_EVERY = 30 * DAY  # hours between counts of cytotoxic T cells; the others are measured at every decision
_EPSILON = 1e-2  # hours


@dataclass(frozen=True)
class HIV:
    """A `PatientModel` of chronic HIV; nobody dies or is discharged, so a stay ends at the horizon.

    A step may last up to `longest_hours` and is cut into sub-steps of at most `substep_hours`. Through viral rebounds
    every 30 days, 6 h is within 1 % of the exact course on average, but the macrophages of the worst patient may be a
    third off in the midst of a rebound; on steady therapy everybody is within .6 %. `variability` is the SD of the
    logarithm of each trait; 0 gives the published patient. `noise_sd` is the SD of log10 viral load.
    """

    longest_hours: float = 5 * DAY
    substep_hours: float = 6.0
    variability: float = 0.2
    noise_sd: float = 0.2

    def __post_init__(self) -> None:
        if not (self.longest_hours > 0 and self.substep_hours > 0 and self.variability >= 0 and self.noise_sd >= 0):
            raise ValueError(f"longest_hours and substep_hours must be positive, the SDs not negative, got {self}")

    @property
    def spec(self) -> Spec:
        return SPEC

    @property
    def noise_dim(self) -> int:
        return OBSERVATION_NOISE

    @property
    def admit_noise_dim(self) -> int:
        return 1 + len(TRAITS) + OBSERVATION_NOISE

    @property
    def fixed_hours(self) -> float | None:
        return None

    @property
    def substeps(self) -> int:
        """Sub-steps of every step, whatever its length, so that their number needs no look at the data."""
        return math.ceil(self.longest_hours / self.substep_hours - 1e-9)

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> HIVClinician:
        """The behaviour policy of the cohort; `confounding` moves when treatment is given, not how much."""
        return HIVClinician(confounding, hidden_confounding)

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Untreated patients at their set point, everything measured once; context (B, 1) is the adherence.

        Raises ValueError where noise is not (B, admit_noise_dim) or context not (B, 1).
        """
        _expect("noise", noise, self.admit_noise_dim)
        if context is None:
            context = draw_adherence(noise[:, 0])
        _expect("context", context, len(SPEC.context))
        memory = draw_patients(noise[:, 1 : 1 + len(TRAITS)], self.variability)
        measured = self._measure(memory, noise[:, 1 + len(TRAITS) :])
        nothing = noise.new_zeros(len(noise), len(SPEC.drugs))
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
        """The patients `hours` (B,) later under efficacies dose (B, 2), of which adherence lets a share through.

        Raises ValueError where a dose leaves its drug's range, or hours leave 0..longest_hours.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(SPEC, dose, hours, self.longest_hours)
        taken = dose * state.context[:, :1]
        memory = advance(HIVMemory.unpack(state.memory), (taken[:, 0], taken[:, 1]), hours / DAY, self.substeps)
        later = state.hours + hours
        seen = _due(state.hours, later)
        vitals, age = carry(SPEC, state.vitals, state.age, hours, self._measure(memory, noise), seen)
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=memory.pack(),
            hours=later,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
        )

    def _measure(self, m: HIVMemory, noise: Tensor) -> Tensor:
        """CD4 cells/uL (healthy and infected), virus copies/mL and cytotoxic cells/mL (B, 3) from noise (B, 3).

        Log10 SD of the viral load as given, of the cells half of that: design choices.
        """
        cells, virus, effectors = torch.exp(math.log(10) * self.noise_sd * noise).unbind(1)
        values = (
            (m.healthy + m.infected) / 1000 * cells.sqrt(),
            (m.virus * virus).clamp_min(DETECTION_LIMIT),
            m.effectors * effectors.sqrt(),
        )
        bounded = (v.clamp(f.low, f.high) for v, f in zip(values, SPEC.features, strict=True))
        return torch.stack(tuple(bounded), 1)


def _due(before: Tensor, after: Tensor) -> Tensor:
    """Which features (B, 3) bool are measured after `before` and until `after` (B,) hours since admission."""
    counted = ((after + _EPSILON) / CYTOTOXIC_EVERY).floor() > ((before + _EPSILON) / CYTOTOXIC_EVERY).floor()
    always = torch.ones_like(counted)
    return torch.stack((always, always, counted), 1)


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
