"""What everybody is worth in the truth: clinician, no treatment, random, maximal and the best fixed dose, and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...agents.baselines import fixed_policy, random_policy
from ...contracts import Clinician, Policy, Treatment
from ...evaluation.true_value import Value, rollout_value, value_difference
from ..sources import clinician, source, true_treatment

FIRST = 3 * 10**12  # seeds of the patients on whom everybody is judged
FIRST_CHOICE = FIRST + 10**9  # ... and of those on whom the best fixed dose is chosen
GRID = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)  # fixed continuous actions that are tried, of all drugs together


@dataclass(frozen=True)
class Always:
    """The same action (A index, or (U,)) for every patient: `log_prob` is not defined, for it is never asked."""

    action: Tensor
    noise_dim: int = 0

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return self.action.expand(len(obs), *self.action.shape)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return obs.new_zeros(len(obs))


@dataclass(frozen=True)
class Row:
    """One line of the table; differences are from the clinician, paired by patient."""

    name: str
    label: str
    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    broken: dict[str, float]  # share of decisions that break each constraint
    died: float


def policy_table(name: str, patients: int, choosing: int) -> dict[str, Any]:
    """Everybody's value for a source on the same `patients`; the best fixed dose is chosen on `choosing` others."""
    treatment = true_treatment(name)
    fixed = dict(fixed_doses(treatment))
    chosen = {label: _value(treatment, policy, choosing, FIRST_CHOICE).value for label, policy in fixed.items()}
    best = max(chosen, key=chosen.__getitem__)
    everyone: list[tuple[str, str, Policy | Clinician]] = [("clinician", "Clinician", clinician(name, 1.0, 0.0))]
    everyone += [(rule.name, rule.label, rule.acting()) for rule in source(name).rules]
    if treatment.actions is not None:
        everyone.append(("random", "Random", random_policy(treatment.actions)))
    labels = list(fixed)
    everyone += [
        ("best_fixed", f"Best fixed dose ({best})", fixed[best]),
        ("none", "No treatment", fixed[labels[0]]),
        ("maximal", "Maximal dose", fixed[labels[-1]]),
    ]
    values = {key: _value(treatment, actor, patients, FIRST) for key, _, actor in everyone}
    names = [constraint.name for constraint in treatment.constraints]
    rows = [asdict(_row(key, label, values[key], values["clinician"], names)) for key, label, _ in everyone]
    return {"rows": rows, "fixed": chosen, "best": best, "none": labels[0], "maximal": labels[-1]}


def shift_table(name: str, shifts: Mapping[str, Mapping[str, Any]], best: str, patients: int) -> list[dict[str, Any]]:
    """The clinician, the rules and the fixed dose `best` of a source, in its own patients and in shifted ones."""
    rows = []
    for label, options in {"the cohort": {}, **shifts}.items():
        treatment = true_treatment(name, **options)
        everyone: dict[str, Policy | Clinician] = {"Clinician": clinician(name, 1.0, 0.0)}
        everyone |= {rule.label: rule.acting() for rule in source(name).rules}
        everyone["Best fixed dose"] = dict(fixed_doses(treatment))[best]
        values = {who: _value(treatment, actor, patients, FIRST) for who, actor in everyone.items()}
        rows.append({"label": label, "values": {who: (v.value, v.low, v.high) for who, v in values.items()}})
    return rows


def fixed_doses(treatment: Treatment) -> Iterator[tuple[str, Policy]]:
    """Every fixed action with its doses in words: the first is no treatment, the last the maximal dose."""
    if treatment.actions is None:
        for share in GRID:
            yield f"{share:+g}", Always(torch.full((len(treatment.spec.drugs),), share))
        return
    state = treatment.admit(torch.zeros(1, treatment.admit_noise_dim))
    for action in range(treatment.actions):
        dose = treatment.decode(state, torch.tensor([action]))[0].tolist()
        parts = [f"{rate:g} {drug.unit}" for rate, drug in zip(dose, treatment.spec.drugs, strict=True)]
        yield " + ".join(parts), fixed_policy(action, treatment.actions)


def _value(treatment: Treatment, actor: Policy | Clinician, patients: int, seed: int) -> Value:
    return rollout_value(treatment, actor, patients, seed)


def _row(name: str, label: str, value: Value, base: Value, constraints: list[str]) -> Row:
    gap = value_difference(value, base)
    shares = value.broken.sum(0) / value.decisions.sum()
    broken = {key: float(share) for key, share in zip(constraints, shares, strict=True)}
    short = float(np.mean(value.decisions < value.decisions.max()))
    return Row(name, label, value.value, value.low, value.high, *gap, broken, short)
