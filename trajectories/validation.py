"""Does a dataset hold what a task asks for? Coverage, units, ranges, what was dropped and why, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..contracts import DIED, DISCHARGED, Progress, Trajectories, silent
from .checks import Check, run_checks
from .code_tally import CodeUse
from .coverage import Coverage
from .records import FlowStep, Records, read_records
from .split import split
from .task import Task

_RARE = 0.05  # share of states or stays below which something is hardly there


@dataclass(frozen=True)
class Range:
    """Spread of one feature, drug (when given) or context column, in its unit; None where there is nothing."""

    kind: str  # feature, derived, context or drug
    name: str
    unit: str
    share: float  # of states measured, of stays known, or of intervals given
    least: float | None
    low: float | None  # 5th percentile
    median: float | None
    high: float | None  # 95th percentile
    greatest: float | None


@dataclass(frozen=True)
class Dropped:
    """Events or stays that were left out or mended, and why."""

    what: str
    count: int
    why: str


@dataclass(frozen=True)
class Validation:
    """Everything that `validate` found."""

    data: str
    task: str
    patients: int
    stays: int
    decisions: int
    sites: int
    outcomes: dict[str, int]
    flow: tuple[FlowStep, ...]
    ranges: tuple[Range, ...]
    codes: tuple[CodeUse, ...]
    dropped: tuple[Dropped, ...]
    missing: tuple[str, ...]
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]


def validate(path: str | Path, task: Task, *, progress: Progress = silent) -> Validation:
    """Read `path` as the task asks and say what is there; MedsError for a dataset that cannot be read at all."""
    records = read_records(path, task, progress=progress)
    t = records.trajectories
    counts = torch.bincount(t.outcome, minlength=len(t.spec.outcomes)).tolist()
    return Validation(
        data=str(path),
        task=task.name,
        patients=len(t.subject.unique()),
        stays=len(t),
        decisions=int(t.mask.sum()),
        sites=len(t.site.unique()),
        outcomes=dict(zip(t.spec.outcomes, counts, strict=True)),
        flow=records.flow,
        ranges=tuple(_ranges(t, records.coverage, task)),
        codes=records.coverage.codes,
        dropped=tuple(d for d in _dropped(records) if d.count),
        missing=tuple(_missing(records, task)),
        checks=run_checks(t, split(t), records.coverage, task.spec),
        warnings=records.warnings,
    )


def _ranges(t: Trajectories, coverage: Coverage, task: Task) -> Iterator[Range]:
    for i, (feature, found) in enumerate(zip(t.spec.features, coverage.features, strict=True)):
        kind = "derived" if feature.name in task.derived else "feature"
        yield Range(kind, feature.name, feature.unit, found.measured, *_spread(t.vitals[:, :, i][t.seen[:, :, i]]))
    for i, (feature, known) in enumerate(zip(t.spec.context, coverage.context, strict=True)):
        yield Range("context", feature.name, feature.unit, known.known, *_spread(t.context[:, i]))
    for i, (drug, given) in enumerate(zip(t.spec.drugs, coverage.drugs, strict=True)):
        dose = t.dose[:, :, i]
        yield Range("drug", drug.name, drug.unit, given.given, *_spread(dose[t.mask & (dose > 0)]))


def _spread(values: Tensor) -> tuple[float | None, ...]:
    """Least value, 5th percentile, median, 95th percentile and greatest value."""
    if not len(values):
        return (None,) * 5
    ordered = values.double().sort().values
    places = [0.0, 0.05, 0.5, 0.95, 1.0]
    return tuple(float(ordered[round(place * (len(ordered) - 1))]) for place in places)


def _dropped(records: Records) -> Iterator[Dropped]:
    for before, after in zip(records.flow[:-1], records.flow[1:], strict=True):
        yield Dropped("stays", before.stays - after.stays, f"not: {after.step}")
    for feature in records.coverage.features:
        yield Dropped(feature.name, feature.out_of_bounds, "numbers out of physical bounds, left out")
    for drug in records.coverage.drugs:
        yield Dropped(drug.name, drug.clipped, "rates above the plausible, cut down to it")
        yield Dropped(drug.name, drug.unpaired, "rates without a charted end or start, ended by the task's rule")
        yield Dropped(drug.name, drug.without_number, "infusions without a usable number, left out")
        yield Dropped(drug.name, drug.above_range, "intervals above the physical range, cut down to it")
    for column in records.coverage.context:
        yield Dropped(column.name, column.out_of_bounds, "numbers out of physical bounds, left out")
    for use in records.coverage.codes:
        why = "unit that the task names as unusable" if use.use == "dropped" else "unit that the task does not name"
        yield Dropped(use.name, use.events if use.use != "used" else 0, f"{why}: {use.code}")


def _missing(records: Records, task: Task) -> Iterator[str]:
    """What the task asks for and the records do not hold, each with a remedy."""
    t, coverage = records.trajectories, records.coverage
    if not records.flow[0].stays:
        anchor = ", ".join(task.cohort.anchor)
        yield f"no stay begins: no event of {anchor}; name the code of an admission in cohort.anchor"
    for before, after in zip(records.flow[:-1], records.flow[1:], strict=True):
        if before.stays and not after.stays:
            yield f"no stay is left after the step {after.step!r}; check its codes and hours"
    yield from records.warnings
    if not len(t):
        return
    for outcome, name in ((DIED, t.spec.outcomes[DIED]), (DISCHARGED, t.spec.outcomes[DISCHARGED])):
        if not (t.outcome == outcome).any():
            yield f"no stay ends as {name!r}: nothing can be learned of it; check the codes in outcome"
    for feature in coverage.features:
        if feature.measured < _RARE:
            yield f"{feature.name} is measured in {feature.measured:.1%} of states: add codes, or leave it out"
    for column in coverage.context:
        if column.known < 1 - _RARE and task.context[column.name].kind != "presence":
            yield f"{column.name} is known of {column.known:.0%} of stays: the others get the midpoint"
    for drug in coverage.drugs:
        if drug.given < _RARE:
            yield f"{drug.name} is given in {drug.given:.1%} of intervals: hardly a choice to learn from"
