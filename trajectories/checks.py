"""Checks for leakage and bad data before anything is learned; each says what it found and what to do."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..contracts import Spec, Trajectories
from .carry import valid_states
from .coverage import Coverage

Status = Literal["passed", "warning", "failed"]
_SAME = 0.999  # correlation from which a feature counts as the dose itself
_ENOUGH = 20  # intervals or events that a finding needs
_ALIKE = 5  # measured values that two equal stays must share to be one
_SHORT = 1 / 60  # hours
_LONG = 24 * 365.0


@dataclass(frozen=True)
class Check:
    """What one check found: `found` of `of` things are not as they should be."""

    name: str
    status: Status
    found: int
    of: int
    detail: str
    remedy: str = ""  # empty where the check passed


def run_checks(
    trajectories: Trajectories, splits: Mapping[str, Trajectories], coverage: Coverage, spec: Spec
) -> tuple[Check, ...]:
    """Every check of a cohort, its splits, and what reading it counted; `spec` is that of the task."""
    return (
        action_in_state(trajectories),
        late_values(coverage),
        fitted_on_held_out(splits, spec),
        patient_in_two_splits(splits),
        coded_at_discharge(coverage),
        duplicated_stays(trajectories),
        impossible_intervals(trajectories),
    )


def action_in_state(t: Trajectories) -> Check:
    """A feature that contains the action of its own interval: measured just before a decision, and yet equal to it."""
    pairs = []
    for i, feature in enumerate(t.spec.features):
        for u, drug in enumerate(t.spec.drugs):
            rows = t.seen[:, :-1, i] & t.mask & (t.dose[:, :, u] > 0)
            if int(rows.sum()) >= _ENOUGH and _correlation(t.vitals[:, :-1, i][rows], t.dose[:, :, u][rows]) > _SAME:
                pairs.append(f"{feature.name} follows {drug.name}")
    count = len(t.spec.features) * len(t.spec.drugs)
    detail = "; ".join(pairs) or "no feature foretells the dose that is chosen after it"
    remedy = "stamp the feature before the decision it informs, or leave it out"
    return _check("a feature contains the action of its own interval", len(pairs), count, detail, remedy)


def late_values(coverage: Coverage) -> Check:
    """Values that became known at or after the decision whose state they entered."""
    late = {f.name: f.late for f in coverage.features if f.late}
    detail = "; ".join(f"{name}: {count}" for name, count in late.items()) or "every value precedes its decision"
    remedy = "give the feature its delay in the task file, and check the time stamps of the dataset"
    return _check(
        "values timed after the decision", sum(late.values()), sum(f.values for f in coverage.features), detail, remedy
    )


def fitted_on_held_out(splits: Mapping[str, Trajectories], spec: Spec) -> Check:
    """Scaling or dose levels that are not those of the task file, and so may have seen held-out patients."""
    changed = [name for name, part in splits.items() if part.spec != spec]
    detail = (
        f"not those of the task: {', '.join(changed)}" if changed else "both come from the task file; none is fitted"
    )
    remedy = "take reference ranges and levels from the task file, never from the cohort"
    return _check("scaling or levels fitted on held-out patients", len(changed), len(splits), detail, remedy)


def patient_in_two_splits(splits: Mapping[str, Trajectories]) -> Check:
    """Patients whose stays are spread over splits."""
    places = Counter(subject for part in splits.values() for subject in set(part.subject.tolist()))
    shared = sum(count > 1 for count in places.values())
    detail = f"{shared} patients are in more than one split" if shared else "splits are by patient"
    return _check("a patient in two splits", shared, len(places), detail, "split by subject, not by stay")


def coded_at_discharge(coverage: Coverage) -> Check:
    """Codes that the task reads and that are mostly stamped at the end of a stay, as billing codes are."""
    used = [use for use in coverage.codes if use.use == "used"]
    late = [use for use in used if use.at_end >= _ENOUGH and use.at_end > use.events / 2]
    detail = "; ".join(f"{use.name}: {use.code}" for use in late) or "no code read is stamped at the end of stays"
    remedy = "leave these codes out: they were not known in the stay that they describe"
    return _check("codes timed at discharge", len(late), len(used), detail, remedy, severity="warning")


def duplicated_stays(t: Trajectories) -> Check:
    """Stays that are another one over again, value by value."""
    measured = (t.seen & valid_states(t)[:, :, None]).sum((1, 2))
    rows = torch.cat([x.flatten(1).double() for x in (t.vitals, t.dose, t.hours, t.context)], 1).numpy()
    digests = [hashlib.sha256(row.tobytes()).digest() for row, n in zip(rows, measured, strict=True) if n >= _ALIKE]
    again = len(digests) - len(set(digests))
    detail = f"{again} stays repeat another, value by value" if again else "no two stays are the same"
    return _check("duplicated stays", again, len(t), detail, "remove the copies from the dataset; check its shards")


def impossible_intervals(t: Trajectories) -> Check:
    """Intervals without a length, or longer than a year; short last ones are only counted."""
    prefix = (t.mask[:, 1:] & ~t.mask[:, :-1]).any(1)
    wrong = t.mask & ~((t.hours > 0) & (t.hours <= _LONG))
    short = int((t.mask & (t.hours > 0) & (t.hours < _SHORT)).sum())
    found, of = int(wrong.sum()) + int(prefix.sum()), int(t.mask.sum())
    remedy = "check the times of admission, decisions and discharge"
    if not found and short > 0.01 * of:
        detail = f"{short} intervals are shorter than a minute"
        return Check("impossible intervals", "warning", short, of, detail, remedy)
    detail = f"{found} intervals have no length, or last longer than a year" if found else "every interval has a length"
    return _check("impossible intervals", found, of, detail, remedy)


def _check(
    name: str, found: int, of: int, detail: str, remedy: str, *, severity: Literal["warning", "failed"] = "failed"
) -> Check:
    return Check(name, severity if found else "passed", found, of, detail, remedy if found else "")


def _correlation(x: Tensor, y: Tensor) -> float:
    x, y = x.double() - x.double().mean(), y.double() - y.double().mean()
    size = float(x.norm() * y.norm())
    return float(x @ y) / size if size > 0 else 0.0
