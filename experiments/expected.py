"""How far weights will scatter, where the truth of a run is a table: what no sample of weights can say of itself."""

from __future__ import annotations

import torch

from ..contracts import Clinician, Progress, Treatment, silent
from ..evaluation.expected_weights import expected_weights, probs_of
from ..evaluation.report import ExpectedReport
from ..patient_models.tabular import Tabular
from ..patient_models.tabular_weights import bounded, moments_by_decision
from .judge import Bench
from .judged import Actor, Judged

_PARTICLES = 4096
_SAME = 1e-6  # probabilities that differ by less do not depend on what was varied


def expected_reports(everyone: list[Judged], bench: Bench, progress: Progress = silent) -> dict[str, ExpectedReport]:
    """By policy, for who acts on levels but the fitted clinician; empty where the truth is no table.

    By dynamic programming for who goes by the state alone, else by particles.
    """
    truth = bench.truth
    clinician = next((one.true for one in everyone if one.kind == "clinician"), None)
    if truth is None or not isinstance(truth.patient, Tabular) or not isinstance(clinician, Clinician):
        return {}
    found = {}
    asked = [one for one in everyone if one.true is not None and one.kind != "behavior" and bench.of(one.true) is bench]
    for number, one in enumerate(asked):
        progress(number / len(asked), one.label)
        assert one.true is not None
        found[one.name] = _expected(one.true, truth, truth.patient, clinician)
    return found


def _expected(who: Actor, truth: Treatment, patient: Tabular, clinician: Clinician) -> ExpectedReport:
    tables = state_table(who, truth, patient), state_table(clinician, truth, patient)
    if tables[0] is None or tables[1] is None:
        weights = expected_weights(truth, who, clinician, particles=_PARTICLES)
        return ExpectedReport(
            shares=tuple(map(float, weights.effective_share)),
            mean=float(weights.mean[-1]),
            error=float(weights.error[-1]),
        )
    mean, second = moments_by_decision(patient, tables[0], tables[1], horizon=truth.horizon)
    shares = torch.where(second > 0, mean**2 / second, 0.0)
    return ExpectedReport(
        shares=tuple(shares.tolist()),
        mean=float(mean[-1]),
        exact=True,
        bounded=bounded(patient, tables[0], tables[1]),
    )


@torch.no_grad()
def state_table(who: Actor, treatment: Treatment, patient: Tabular) -> torch.Tensor | None:
    """Probabilities (S, A) of who goes by the state alone; None where time or earlier doses change them."""
    each = torch.zeros(patient.states, dtype=torch.int64)
    first = treatment.admit(torch.zeros(1, treatment.admit_noise_dim)).rows(each)
    number = torch.arange(patient.states, dtype=first.memory.dtype)[:, None]
    early = first.replace(vitals=patient.values, memory=number)
    hours = torch.full_like(first.hours, treatment.horizon_hours / 2)
    dose = torch.tensor([drug.levels[-1] for drug in treatment.spec.drugs]).expand_as(first.last_dose)
    late = early.replace(hours=hours, last_dose=dose, total_dose=dose * hours[:, None])
    found, again = (probs_of(who, treatment, state) for state in (early, late))
    return found if bool((found - again).abs().max() < _SAME) else None
