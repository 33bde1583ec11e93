"""A stay as it is drawn: what has happened so far to one patient, in plain arrays."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec, Step, Treatment
from ..patient_models.learned_heads import Forecast
from ..trajectories.scaling import Scaler
from .constraints import DoseLimit
from .pictures import Pictured
from .render_style import SPREAD, amount, moment

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@runtime_checkable
class Forecaster(Protocol):
    """A patient model that says what it expects next, in scaled units."""

    def forecast(self, state: PatientState, dose: Tensor, hours: Tensor) -> Forecast: ...


@dataclass(frozen=True, eq=False)
class Course:
    """S states and S - 1 decisions of one stay. Nothing is known of the state in which a stay has ended."""

    spec: Spec
    patient: str  # who: the context, in words
    horizon: float  # hours
    interval: float  # hours until the next decision
    limits: tuple[DoseLimit, ...]
    time: Array  # (S,) hours since admission
    vitals: Array  # (S, D) clinical units
    known: Flags  # (S, D): measured, or carried forward; what was never measured is not drawn
    seen: Flags  # (S, D): measured since the previous decision
    expected: Array  # (S, 2, D) low and high of what the model expected of this state before it; NaN where nothing
    ahead: Array  # (S, 2, D) ... of the next state, should the last dose go on
    dose: Array  # (S - 1, U) mean rate of each interval
    exceeded: Flags  # (S - 1, U): above a limit
    outcome: int = IN_CARE
    truncated: bool = False
    pictures: Pixels | None = None  # (S, H, W) the last one at each state, where the patients have some
    picture_age: Array | None = None  # (S,) hours since it was taken

    @property
    def decisions(self) -> int:
        """Decisions made so far."""
        return len(self.dose)

    @property
    def ended(self) -> bool:
        """Died, discharged, or at the horizon."""
        return self.outcome != IN_CARE or self.truncated

    @property
    def status(self) -> str:
        """How the stay stands, in words."""
        if self.outcome != IN_CARE:
            by = moment(self.time[-1], self.horizon).partition(" of ")[0]
            return f"{self.spec.outcomes[self.outcome]} by {by}"
        if self.truncated:
            return f"{self.spec.outcomes[IN_CARE]} at the horizon"
        return moment(self.time[-1], self.horizon)

    @property
    def forecasts(self) -> bool:
        """Whether the model says what it expects."""
        return bool(np.isfinite(self.ahead).any())

    def until(self, decisions: int) -> Course:
        """The stay as it stood after that many decisions."""
        if decisions >= self.decisions:
            return self
        states = {
            n: getattr(self, n)[: decisions + 1] for n in ("time", "vitals", "known", "seen", "expected", "ahead")
        }
        if self.pictures is not None and self.picture_age is not None:
            seen = slice(decisions + 1)
            states |= {"pictures": self.pictures[seen], "picture_age": self.picture_age[seen]}
        given = {n: getattr(self, n)[:decisions] for n in ("dose", "exceeded")}
        return dataclasses.replace(self, **states, **given, outcome=IN_CARE, truncated=False)


@torch.no_grad()
def admitted(treatment: Treatment, state: PatientState) -> Course:
    """The course of the one patient in `state` (a batch of 1), just admitted."""
    hours = treatment.interval(state, treatment.encode(state, state.last_dose))
    blank = np.full((1, 2, len(treatment.spec.features)), np.nan)
    return Course(
        spec=treatment.spec,
        patient=_context(treatment.spec, state),
        horizon=treatment.horizon_hours,
        interval=float(hours[0]),
        limits=tuple(c for c in treatment.constraints if isinstance(c, DoseLimit)),
        **_state(treatment.spec, state, float(state.hours[0])),
        expected=blank,
        ahead=_expected(treatment, state, state.last_dose, hours),
        dose=np.zeros((0, len(treatment.spec.drugs))),
        exceeded=np.zeros((0, len(treatment.spec.drugs)), dtype=np.bool_),
        **_picture(treatment, state),
    )


@torch.no_grad()
def followed(course: Course, treatment: Treatment, before: PatientState, step: Step) -> Course:
    """The course one decision later: `before` it, and the `step` that it led to (batches of 1)."""
    outcome, truncated = int(step.state.outcome[0]), bool(step.truncated[0])
    after = _state(treatment.spec, step.state, course.time[-1] + float(step.hours[0]))
    expected = ahead = np.full_like(course.ahead[:1], np.nan)
    if outcome != IN_CARE:  # the model leaves open what the values of an ended stay are
        after |= {"known": np.zeros_like(after["known"]), "seen": np.zeros_like(after["seen"])}
    else:
        expected = _expected(treatment, before, step.dose, step.hours)
    if outcome == IN_CARE and not truncated:
        ahead = _expected(treatment, step.state, step.dose, step.hours)
    added = {**after, "expected": expected, "ahead": ahead, "dose": _array(step.dose)}
    added["exceeded"] = _exceeded(treatment, step)
    added |= _picture(treatment, step.state)
    grown: dict[str, Any] = {name: np.concatenate([getattr(course, name), value]) for name, value in added.items()}
    grown |= {"interval": float(step.hours[0]), "outcome": outcome, "truncated": truncated}
    return dataclasses.replace(course, **grown)


def _state(spec: Spec, state: PatientState, hours: float) -> dict[str, Any]:
    oldest = np.array([f.max_age for f in spec.features])
    return {
        "time": np.array([hours]),
        "vitals": _array(state.vitals),
        "known": _array(state.age) < oldest,
        "seen": state.seen.cpu().numpy().copy(),
    }


def _picture(treatment: Treatment, state: PatientState) -> dict[str, Any]:
    """The last picture (1, H, W) and its age (1,) hours, where the patients have some."""
    patient = treatment.patient
    if not isinstance(patient, Pictured):
        return {}
    return {"pictures": patient.pictures(state).cpu().numpy(), "picture_age": _array(patient.picture_age(state))}


def _expected(treatment: Treatment, state: PatientState, dose: Tensor, hours: Tensor) -> Array:
    """Low and high (1, 2, D) of the values `hours` later, in clinical units; NaN where the model says nothing."""
    features = treatment.spec.features
    patient = treatment.patient
    if not isinstance(patient, Forecaster):
        return np.full((1, 2, len(features)), np.nan)
    mean, sd = patient.forecast(state, dose, hours)[:2]
    ends = torch.stack([mean - SPREAD * sd, mean + SPREAD * sd], 1)
    found = _array(Scaler.of(features).to(ends.device).unscale(ends))
    return np.clip(found, [f.low for f in features], [f.high for f in features])


def _exceeded(treatment: Treatment, step: Step) -> Flags:
    """Which drugs (1, U) were given above a limit."""
    found = np.zeros((1, len(treatment.spec.drugs)), dtype=np.bool_)
    for number, constraint in enumerate(treatment.constraints):
        if isinstance(constraint, DoseLimit):
            found[0, constraint.column] |= bool(step.costs[0, number] > 0)
    return found


def _context(spec: Spec, state: PatientState) -> str:
    """Who the patient is, in words: "Age 67 years · Chronic hypertension yes"."""
    words = []
    for column, value in zip(spec.context, state.context[0].tolist(), strict=True):
        named = column.levels[round(value)] if column.levels else amount(round(value, 1), column.unit)
        words.append(f"{column.label or column.name} {named}")
    return "  ·  ".join(words)


def _array(tensor: Tensor) -> Array:
    return tensor.cpu().double().numpy()
