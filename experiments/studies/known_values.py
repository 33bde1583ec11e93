"""True values of the policies that off-policy studies judge, simulated from far more patients than are estimated on.

A truth that is itself uncertain makes good intervals look bad: with 1,000 stays behind an estimate, 10,000 simulated
patients behind its truth take a point or more off the coverage that is measured. So the clinicians' value comes from
many, and every other one is theirs plus the difference on the same patients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluation.off_policy.logged import Array
from ...evaluation.true_value import rollout_value, value_difference
from ..sources import clinician, true_treatment
from ..stages import write_text
from .cell_files import JOBS, fill
from .reference_policies import everyone

CLINICIAN = "clinician"
STAYS = 200_000  # behind the clinicians' value
PAIRED = 5  # ... and one in so many of them behind each difference from it
Values = dict[str, tuple[float, float]]  # value and its standard error, by policy


def known_values(
    folder: Path, asked: Mapping[tuple[str, float], Sequence[str]], *, stays: int = STAYS, jobs: int = JOBS
) -> dict[tuple[str, float], Values]:
    """What clinicians and the candidates `asked` for, by environment and hidden confounding, are truly worth.

    Kept in `folder`, where what is new joins what is known.
    """
    todo = {}
    for (environment, hidden), names in asked.items():
        todo[folder / "truth" / f"{environment}-{hidden:g}.json"] = (environment, hidden, tuple(names), stays)
    fill(write_values, {p: a for p, a in todo.items() if set(a[2]) - set(read_values(p, stays))}, jobs=jobs,
         title="true values", again=True)  # fmt: skip
    return {(a[0], a[1]): read_values(path, stays) for path, a in todo.items()}


def read_values(path: Path, stays: int) -> Values:
    """What is known so far, from as many stays."""
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return kept["values"] if kept.get("stays") == stays else {}


def write_values(path: Path, environment: str, hidden: float, names: Sequence[str], stays: int) -> None:
    """Add the values of the policies that are not known yet."""
    known = read_values(path, stays)
    treatment, acting = true_treatment(environment), clinician(environment, 1.0, hidden)
    if CLINICIAN not in known:
        base = rollout_value(treatment, acting, stays, 0)
        known[CLINICIAN] = base.value, _error(base.returns)
    value, error = known[CLINICIAN]
    paired = rollout_value(treatment, acting, max(2, stays // PAIRED), 0)
    candidates = everyone(environment, hidden)
    for name in sorted(set(names) - set(known)):
        other = rollout_value(treatment, candidates[name], len(paired.returns), 0)
        gap = value_difference(other, paired)[0]
        known[name] = value + gap, float(np.hypot(error, _error(other.returns - paired.returns)))
    write_text(path, json.dumps({"stays": stays, "values": known}, indent=1) + "\n")


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)
