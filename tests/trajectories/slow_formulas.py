"""Derived features one state at a time."""

from __future__ import annotations

import math

import numpy as np
from posology.trajectories.task import Task

FORMULAS = {
    "shock_index": lambda rate, pressure: rate / pressure if pressure else math.nan,
    "pf_ratio": lambda oxygen, share: oxygen / share * 100 if share else math.nan,
    "sum": lambda *parts: sum(parts),
    "sofa_coagulation": lambda p: 4 if p < 20 else 3 if p < 50 else 2 if p < 100 else 1 if p < 150 else 0,
    "sofa_liver": lambda b: 4 if b >= 12 else 3 if b >= 6 else 2 if b >= 2 else 1 if b >= 1.2 else 0,
    "sofa_nervous": lambda g: 4 if g < 6 else 3 if g < 10 else 2 if g < 13 else 1 if g < 15 else 0,
}


def derive(task: Task, vitals: list, seen: list, age: list, hours: list[float]) -> None:
    """Append the derived features to the lists of the measured ones."""
    names = list(task.features)
    rules = list(task.features.values())
    for rule in task.derived.values():
        columns = [names.index(name) for name in rule.of]
        v, s, a = [], [], []
        for t in range(len(vitals[0])):
            value = FORMULAS[rule.formula](*(vitals[c][t] for c in columns))
            known = all(np.float32(age[c][t]) < rules[c].max_age for c in columns) and rule.low <= value <= rule.high
            new = known and any(seen[c][t] for c in columns)
            young = float(np.float32(min(age[c][t] for c in columns)))  # ages have single precision
            if new:
                v, s, a = [*v, value], [*s, True], [*a, 0.0]
                continue
            s.append(False)
            if t == 0:
                carried = known and young < rule.max_age
                v.append(value if carried else sum(rule.reference) / 2)
                a.append(young if carried else rule.max_age)
            else:
                older = min(a[-1] + hours[t - 1], rule.max_age)
                v.append(v[-1] if older < rule.max_age else sum(rule.reference) / 2)
                a.append(older)
        vitals.append(v)
        seen.append(s)
        age.append(a)
