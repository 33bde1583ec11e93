"""Features computed from others of the same state, such as the shock index; nothing later than the state enters.

SOFA parts follow Vincent et al. 1996 (Intensive Care Med 22:707), Table 3. Their cardiovascular part is the pressure
criterion alone (0 or 1): its higher grades are vasopressor doses, which must stay out of states.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import Spec
from .carry import carry, limits
from .quantities import DerivedRule

Floats = NDArray[np.float64]
_Formula = Callable[..., Floats]


def _ratio(a: Floats, b: Floats) -> Floats:
    quotient: Floats = np.divide(a, b, out=np.full_like(a, np.nan), where=b != 0)
    return quotient


def _grades(value: Floats, below: Sequence[float]) -> Floats:
    """Number of limits that a value is below."""
    grades: Floats = (value[..., None] < np.array(below)).sum(-1).astype(np.float64)
    return grades


def _grades_from(value: Floats, reached: Sequence[float]) -> Floats:
    """Number of limits that a value has reached."""
    grades: Floats = (value[..., None] >= np.array(reached)).sum(-1).astype(np.float64)
    return grades


def _total(*parts: Floats) -> Floats:
    total: Floats = np.sum(parts, 0)
    return total


# name: the formula, and what its inputs are; one name followed by ... stands for any number of inputs
FORMULAS: dict[str, tuple[_Formula, tuple[str, ...]]] = {
    "ratio": (_ratio, ("numerator", "denominator")),
    "sum": (_total, ("parts", "...")),
    "shock_index": (_ratio, ("heart rate 1/min", "systolic pressure mmHg")),
    "pf_ratio": (lambda pao2, fio2: _ratio(pao2, fio2 / 100), ("arterial oxygen tension mmHg", "inspired oxygen %")),
    "sofa_respiration": (  # grades 3 and 4 take respiratory support for granted
        lambda pao2, fio2: _grades(_ratio(pao2, fio2 / 100), (400, 300, 200, 100)),
        ("arterial oxygen tension mmHg", "inspired oxygen %"),
    ),
    "sofa_coagulation": (lambda platelets: _grades(platelets, (150, 100, 50, 20)), ("platelets 10^9/L",)),
    "sofa_liver": (lambda bilirubin: _grades_from(bilirubin, (1.2, 2, 6, 12)), ("bilirubin mg/dL",)),
    "sofa_cardiovascular": (lambda pressure: _grades(pressure, (70,)), ("mean arterial pressure mmHg",)),
    "sofa_nervous": (
        lambda *scale: _grades(_total(*scale), (15, 13, 10, 6)),
        ("Glasgow coma scale, whole or in parts", "..."),
    ),
    "sofa_renal": (lambda creatinine: _grades_from(creatinine, (1.2, 2, 3.5, 5)), ("creatinine mg/dL",)),
}


def check_formula(name: str, rule: DerivedRule, features: Sequence[str]) -> None:
    """ValueError where the formula is unknown, or its inputs are not features or not as many as it takes."""
    if rule.formula not in FORMULAS:
        raise ValueError(f"{name}: no formula {rule.formula!r}; known: {', '.join(FORMULAS)}")
    unknown = [part for part in rule.of if part not in features]
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is no measured feature; known: {', '.join(features)}")
    inputs = FORMULAS[rule.formula][1]
    fits = len(rule.of) >= 1 if inputs[-1] == "..." else len(rule.of) == len(inputs)
    if not fits:
        raise ValueError(f"{name}: {rule.formula} takes of: [{', '.join(inputs)}], got {len(rule.of)} names")


def with_derived(
    states: tuple[Tensor, Tensor, Tensor], hours: Tensor, rules: Mapping[str, DerivedRule], spec: Spec
) -> tuple[Tensor, Tensor, Tensor]:
    """Vitals, seen and age (N, T+1, D) of measured features, with the derived ones of `spec` appended.

    A derived value is seen where all its inputs are known (carried ones count) and at least one is new; in between it
    is carried like any other. Before time zero it is as old as its youngest input. Out of bounds, it is not there.
    """
    if not rules:
        return states
    vitals, seen, age = states
    measured = vitals.shape[2]
    own = dataclasses.replace(spec, features=spec.features[measured:])
    names = [f.name for f in spec.features]
    found = [_now(states, [names.index(n) for n in rule.of], rule, limits(spec)[1]) for rule in rules.values()]
    value, known, new, young = (torch.stack(column, 2) for column in zip(*found, strict=True))
    midpoint, max_age = limits(own)
    carried = known[:, 0] & ~new[:, 0] & (young[:, 0] < max_age)
    first = torch.where(new[:, 0] | carried, value[:, 0], midpoint)
    path = [(first, torch.where(new[:, 0], 0.0, torch.where(carried, young[:, 0], max_age)))]
    for t in range(hours.shape[1]):
        path.append(carry(own, *path[-1], hours[:, t], value[:, t + 1], new[:, t + 1]))
    return (
        torch.cat((vitals, torch.stack([v for v, _ in path], 1)), 2),
        torch.cat((seen, new), 2),
        torch.cat((age, torch.stack([a for _, a in path], 1)), 2),
    )


def _now(
    states: tuple[Tensor, Tensor, Tensor], columns: list[int], rule: DerivedRule, max_age: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Value, whether it is known, whether it is new, and the age of the youngest input, all (N, T+1)."""
    vitals, seen, age = (x[:, :, columns] for x in states)
    inputs = [vitals[:, :, i].double().numpy() for i in range(len(columns))]
    value = torch.from_numpy(FORMULAS[rule.formula][0](*inputs).astype(np.float32))
    known = (age < max_age[columns]).all(2) & (value >= torch.tensor(rule.low)) & (value <= torch.tensor(rule.high))
    return torch.nan_to_num(value), known, known & seen.any(2), age.amin(2)
