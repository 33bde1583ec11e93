"""Whether the confounding knobs do what they say: the bias of a naive regression, and the clinician's own quality.

The first dose is rule x exp(knob x severity shift + N(0, spread)), given as it is. A regression of the outcome on
log(dose / rule) is unbiased where the knobs are 0. The truth is what the same regression finds between two courses of
the same patient under the same chance, with independent doses: cov(x1 - x2, y1 - y2) / var(x1 - x2).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contracts import Clinician, PatientState, Treatment
from ...evaluation.true_value import rollout_value
from ...trajectories.noise import ACTOR, ADMISSION, normals, seeds
from ..sources import clinician, true_treatment
from .patient_probes import Regression

FIRST = 4 * 10**12  # seed of the first patient
KNOBS = (0.0, 0.5, 1.0, 2.0)
TINY = 1e-6  # of a drug's range: below it a rule gives nothing, and no ratio to it exists
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bias:
    """What a naive regression finds under one setting of the knobs."""

    confounding: float
    hidden_confounding: float
    slope: float
    truth: float
    bias: float
    bias_low: float
    bias_high: float
    moved: float  # the slope less that without confounding, with the same patients and chance
    moved_low: float
    moved_high: float
    quality: float  # the clinician's value
    quality_low: float
    quality_high: float


def confounding_table(name: str, regression: Regression, patients: int, judged: int) -> dict[str, Any]:
    """The bias under each knob, the other at 0, over `patients`; quality over `judged` stays of the whole task."""
    settings = [(knob, 0.0) for knob in KNOBS] + [(0.0, knob) for knob in KNOBS[1:]]
    treatment = true_treatment(name, **regression.options)
    first = _Trial.of(treatment, regression, clinician(name, 0.0, 0.0), patients)
    x1, y1 = first.run(stream=0)
    x2, y2 = first.run(stream=1)
    truth = float(((x1 - x2) * (y1 - y2)).mean() / ((x1 - x2) ** 2).mean())
    plain, plain_influence = _regress(x1, y1)
    rows = []
    for shown, hidden in settings:
        x, y = _Trial.of(treatment, regression, clinician(name, shown, hidden), patients).run(stream=0)
        slope, influence = _regress(x, y)
        error, moved_error = _error(influence), _error(influence - plain_influence)
        value = rollout_value(true_treatment(name), clinician(name, shown, hidden), judged, FIRST)
        bias, moved = _around(slope - truth, error), _around(slope - plain, moved_error)
        rows.append(asdict(Bias(shown, hidden, slope, truth, *bias, *moved, value.value, value.low, value.high)))
    about = {"drug": regression.drug, "outcome": regression.outcome, "log": regression.log}
    return {"rows": rows, "patients": len(x1), "regression": about}


@dataclass(frozen=True)
class _Trial:
    """Admitted patients whose rule gives the drug, and what their clinician would give."""

    treatment: Treatment
    regression: Regression
    rows: Tensor
    state: PatientState
    rule: Tensor  # (B,)
    shift: Tensor  # (B,)
    others: Tensor  # (B, U) doses of every drug, of which the one in question is replaced

    @classmethod
    def of(cls, treatment: Treatment, regression: Regression, acting: Clinician, patients: int) -> _Trial:
        rows = seeds(FIRST, patients)
        zero = torch.zeros_like(rows)
        state = treatment.admit(normals(rows, zero, zero, treatment.admit_noise_dim, stream=ADMISSION))
        column = treatment.spec.drug(regression.drug)
        rule: Tensor = acting.rule(state)  # type: ignore[attr-defined]
        rule = rule[:, column] if rule.dim() == 2 else rule
        shift: Tensor = acting.shift(state)  # type: ignore[attr-defined]
        others = acting.dose(state, normals(rows, zero, zero, acting.noise_dim, stream=ACTOR))
        given = rule > TINY * treatment.spec.drugs[column].high
        return cls(treatment, regression, rows[given], state.rows(given), rule[given], shift[given], others[given])

    def run(self, *, stream: int) -> tuple[Array, Array]:
        """log(dose / rule) and the outcome, each (B,), with the doses of one random stream; chance is the same."""
        t, zero = self.treatment, torch.zeros_like(self.rows)
        column = t.spec.drug(self.regression.drug)
        drawn = self.regression.spread * normals(self.rows, zero + 1 + stream, zero, 1, stream=ACTOR)[:, 0]
        dose = self.others.clone()
        dose[:, column] = (self.rule * torch.exp(self.shift + drawn)).clamp_max(t.spec.drugs[column].high)
        hours = t.interval(self.state, t.encode(self.state, dose))
        after = t.patient.step(self.state, dose, hours, normals(self.rows, zero, zero, t.noise_dim))
        outcome = after.vitals[:, t.spec.feature(self.regression.outcome)]
        outcome = outcome.log() if self.regression.log else outcome
        return (dose[:, column] / self.rule).log().double().numpy(), outcome.double().numpy()


def _regress(x: Array, y: Array) -> tuple[float, Array]:
    """Slope of y on x, and what each patient (B,) contributes to its error (heteroscedasticity-robust, White 1980)."""
    centred = x - x.mean()
    slope = float((centred * y).sum() / (centred**2).sum())
    residual = y - y.mean() - slope * centred
    return slope, centred * residual / (centred**2).sum()


def _error(influence: Array) -> float:
    return float(np.sqrt((influence**2).sum()))


def _around(value: float, error: float) -> tuple[float, float, float]:
    """The value with its 95 % interval."""
    return value, value - 1.96 * error, value + 1.96 * error
