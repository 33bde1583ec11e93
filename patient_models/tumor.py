"""The patient with lung cancer whose truth is known: chemotherapy and radiotherapy, week by week, with their harms.

The tumour is that of Geng et al. (2017), the marrow that of Ozawa et al. (2007); lung injury follows the
Lyman-Kutcher-Burman model. Who is treated, what is measured and how deaths follow are design choices. A plausible test
bed, not validated physiology, and never medical advice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, DISCHARGED, IN_CARE, PatientState, Spec
from ..trajectories.carry import carry
from .dose_range import refuse_outside
from .imaging.chest import PIXELS
from .tumor_clinician import TumorClinician
from .tumor_course import Course, week
from .tumor_memory import TumorMemory
from .tumor_observation import OBSERVATION_NOISE, measure
from .tumor_patients import PATIENT_NOISE, draw_context, draw_patients
from .tumor_scan import pictures
from .tumor_schedule import DailySchedule, WeeklySchedule
from .tumor_spec import SPEC, WEEK

COURSE_NOISE = 9  # columns of a step before the observation's: seven days of growth, cure, death


@dataclass(frozen=True)
class Tumor:
    """A `PatientModel` in steps of a week. Death terminates, and so does a cure (outcome 1), which nobody can see.

    Scans are taken at admission and every `scan_weeks` (0: at each patient's own pace of 1 to 8); each later one is
    missed with probability `missed`. A `schedule` in days takes the place of both. Of the scans of a week the last one
    is seen. A radiologist's volume has an error of `reading` in its logarithm (SD).
    """

    scan_weeks: int = 3
    missed: float = 0.0
    reading: float = 0.10
    variability: float = 1.0  # scales how marrows differ
    schedule: DailySchedule | None = None

    def __post_init__(self) -> None:
        if self.scan_weeks < 0 or not 0 <= self.missed <= 1 or min(self.variability, self.reading) < 0:
            raise ValueError(f"expected missed in 0..1, and scan_weeks, reading and variability >= 0, got {self}")

    @property
    def spec(self) -> Spec:
        return SPEC

    @property
    def noise_dim(self) -> int:
        return COURSE_NOISE + OBSERVATION_NOISE

    @property
    def admit_noise_dim(self) -> int:
        return PATIENT_NOISE + OBSERVATION_NOISE

    @property
    def fixed_hours(self) -> float | None:
        return WEEK

    def clinician(self, confounding: float = 1.0, hidden_confounding: float = 0.0) -> TumorClinician:
        """The behaviour policy of the cohort; `confounding` moves whom more is given, not how well patients fare."""
        return TumorClinician(confounding, hidden_confounding)

    @property
    def picture_shape(self) -> tuple[int, int]:
        """Height and width of a scan in pixels."""
        return PIXELS, PIXELS

    def pictures(self, state: PatientState) -> Tensor:
        """The last scan of every patient as grey levels (B, 96, 96) uint8."""
        return pictures(state)

    def picture_age(self, state: PatientState) -> Tensor:
        """How many hours ago (B,) that scan was taken."""
        return state.age[:, SPEC.feature("volume")]

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState:
        """Untreated patients, everything measured once; context (B, 3) is age, stage and type.

        A given stage conditions the size. Raises ValueError where noise is not (B, admit_noise_dim) or context not
        (B, 3).
        """
        _expect("noise", noise, self.admit_noise_dim)
        person, observing = noise.split((PATIENT_NOISE, OBSERVATION_NOISE), 1)
        if context is None:
            context = draw_context(person)
        _expect("context", context, len(SPEC.context))
        memory = draw_patients(context, person, self.variability)
        memory = memory._replace(scan_volume=memory.volume, scan_noise=observing[None, :, -1])
        measured = measure(memory, observing, self.reading)
        memory = memory._replace(first_volume=measured[None, :, 1])
        nothing = torch.zeros_like(context[:, :2])
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
        """The patients a week later under units and Gy per week dose (B, 2), noise (B, 14).

        Raises ValueError where a dose leaves its drug's range, or hours are more than a week.
        """
        _expect("noise", noise, self.noise_dim)
        refuse_outside(SPEC, dose, hours, WEEK)
        growing, cure, death, observing = noise.split((7, 1, 1, OBSERVATION_NOISE), 1)
        course = week(TumorMemory.unpack(state.memory), state.context[:, 0], dose, growing)
        later = state.hours + hours
        memory, outcome = _fate(course, state.outcome, ndtr(cure[:, 0]), ndtr(death[:, 0]))
        scanned, ago = (self.schedule or WeeklySchedule(self.scan_weeks, self.missed)).latest(memory, later, observing)
        earlier = course.volumes.gather(0, (6 - ago)[None])
        shown = torch.where(ago > 0, earlier, memory.volume)  # today's counts what the week ended with, a cure too
        memory = memory._replace(
            scan_volume=torch.where(scanned, shown, memory.scan_volume),
            scan_noise=torch.where(scanned, observing[None, :, -1], memory.scan_noise),
        )
        measured = measure(memory._replace(volume=memory.scan_volume), observing, self.reading)
        seen = torch.stack((torch.ones_like(scanned), scanned, scanned, torch.ones_like(scanned)), 1)
        vitals, age = carry(SPEC, state.vitals, state.age, hours, measured, seen)
        return state.replace(
            vitals=vitals,
            seen=seen,
            age=age,
            memory=memory.pack(),
            hours=later,
            last_dose=dose,
            total_dose=state.total_dose + dose * hours[:, None],
            outcome=outcome,
        )


def _fate(course: Course, before: Tensor, cure: Tensor, death: Tensor) -> tuple[TumorMemory, Tensor]:
    """Memory and outcome (B,) int64 at the end of the week, from uniforms (B,): tumour, then lung, then infection."""
    by_infection = death < course.infection
    cause = torch.where(course.outgrown, 1.0, torch.where(course.suffocated, 3.0, torch.where(by_infection, 2.0, 0.0)))
    cured = (cause == 0) & (cure < course.cured)
    fate = torch.where(cause > 0, DIED, torch.where(cured, DISCHARGED, IN_CARE))
    alive, m = before == IN_CARE, course.memory
    return m._replace(volume=torch.where(cured, 0.0, m.volume), cause=torch.where(alive, cause, m.cause)), torch.where(
        alive, fate, before
    )


def _expect(name: str, tensor: Tensor, columns: int) -> None:
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise ValueError(f"{name}: expected shape (B, {columns}), got {tuple(tensor.shape)}")
