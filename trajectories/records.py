"""Health records in: a MEDS dataset and a task become trajectories, with everyone left out counted."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..contracts import Progress, Trajectories, silent
from .batches import concatenate
from .carry import pad
from .code_tally import code_uses, tally_codes, unknown_units, variant_patterns
from .codes import CodeBook
from .context import find_context
from .coverage import Coverage, Tally, coverage
from .decision_times import moments
from .derived import with_derived
from .doses import dose
from .grid import hours, late_values, lookback, measurements, states
from .infusions import find_infusions
from .meds import Events, MedsError, stream
from .stays import find_stays, flow_steps
from .task import Task

logger = logging.getLogger(__name__)
_NAMED = 20  # warnings of one kind, at most


@dataclass(frozen=True)
class FlowStep:
    """How many stays are left after a step of the cohort rule."""

    step: str
    stays: int


@dataclass(frozen=True)
class Records:
    """The trajectories of a task's cohort, and what is to be known of how they came about."""

    trajectories: Trajectories
    flow: tuple[FlowStep, ...]
    coverage: Coverage
    warnings: tuple[str, ...]


def read_trajectories(path: str | Path, task: Task, *, progress: Progress = silent) -> Records:
    """As `read_records`; MedsError also for a dataset that holds no stay of this cohort."""
    records = read_records(path, task, progress=progress)
    if not len(records.trajectories):
        counted = "; ".join(f"{step.step}: {step.stays}" for step in records.flow)
        raise MedsError(f"{path}: no stay fits the task {task.name!r} ({counted}); check its codes and cohort rule")
    return records


def read_records(path: str | Path, task: Task, *, progress: Progress = silent) -> Records:
    """Trajectories of the task's cohort in a MEDS dataset: one parquet file or a folder of shards.

    Leak-free: the state at t uses events strictly before t, the dose covers [t, t + interval), and inclusion uses only
    what precedes time zero. Memory does not grow with the number of shards, apart from the result. Stays come sorted
    by subject, then time; there may be none. MedsError for an unreadable dataset.
    """
    book = CodeBook(wanted_patterns(task) | variant_patterns(task))
    parts: list[Trajectories] = []
    tally: Tally | None = None
    warnings: list[str] = []
    site = task.cohort.site.column if task.cohort.site else None
    barred: set[int] = set()
    for share, events in stream(path, book, warnings.append, site):
        part, counts = _read_part(events, book, task)
        parts = [*parts, part] if len(part) or not parts else parts
        tally = counts if tally is None else tally + counts
        barred |= _barred_sites(events, book, task)
        progress(share, "reading records")
    if tally is None:
        raise MedsError(f"{path}: expected at least one parquet file")
    flow = [FlowStep(step, int(stays)) for step, stays in zip(flow_steps(task), tally.flow, strict=True)]
    trajectories = concatenate(parts)
    if _bars_sites(task):
        trajectories = trajectories.rows(
            ~torch.isin(trajectories.site, torch.tensor(sorted(barred), dtype=torch.int64))
        )
        flow.append(FlowStep("site charts doses in a unit that can be converted", len(trajectories)))
    trajectories = trajectories.rows(torch.sort(trajectories.subject, stable=True).indices)
    uses = code_uses(task, book, tally.codes)
    warnings += [*_absent_codes(book, task), *unknown_units(uses)]
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return Records(trajectories, tuple(flow), coverage(trajectories, tally, uses), tuple(warnings))


def wanted_patterns(task: Task) -> set[str]:
    """Every code pattern that a task reads."""
    wanted = {p for rule in (*task.features.values(), *task.context.values()) for p in rule.codes}
    wanted |= {pattern for drug in task.drugs.values() for item in drug.items for pattern in drug.patterns(item)}
    wanted |= {p for condition in task.cohort.conditions for sign in condition.any for p in sign.codes}
    wanted |= set(task.decisions.at) if task.decisions else set()
    wanted |= set(task.cohort.site.codes) if task.cohort.site else set()
    outcome = task.outcome
    return wanted | {
        *task.cohort.anchor, *task.cohort.birth, *outcome.discharged, *outcome.died, *outcome.censored
    }  # fmt: skip


def _read_part(events: Events, book: CodeBook, task: Task) -> tuple[Trajectories, Tally]:
    """Trajectories and counts of some whole subjects."""
    spec = task.spec
    infusions, infusion_counts = find_infusions(events, book, task)
    stays, flow = find_stays(events, book, task, moments(events, book, infusions, task))
    found, values = measurements(events, book, task.features, stays, back=lookback(task), until=stays.end)
    duration = hours(stays)
    measured = dataclasses.replace(spec, features=spec.features[: len(task.features)])
    vitals, seen, age = with_derived(states(found, stays, task, measured), duration, task.derived, spec)
    context, context_counts = find_context(events, book, stays, task, spec)
    given = torch.from_numpy(dose(infusions, stays, task, context.numpy()).astype(np.float32))
    highest = torch.tensor([drug.high for drug in spec.drugs])
    trajectories = pad(
        Trajectories(
            spec=spec,
            vitals=vitals,
            seen=seen,
            age=age,
            context=context,
            dose=torch.minimum(given, highest),
            hours=duration,
            mask=duration > 0,
            outcome=torch.from_numpy(stays.outcome.astype(np.int64)),
            subject=torch.from_numpy(stays.subject.copy()),
            site=torch.from_numpy(stays.site.copy()),
        )
    )
    above = (given > highest).sum((0, 1)).numpy()
    drugs = np.column_stack((infusion_counts, above))
    values = np.column_stack((values, late_values(found, stays, task)))
    return trajectories, Tally(np.array(flow), values, drugs, context_counts, tally_codes(events, book, task))


def _bars_sites(task: Task) -> bool:
    return any(how.drop == "sites" for drug in task.drugs.values() for how in drug.items.values())


def _barred_sites(events: Events, book: CodeBook, task: Task) -> set[int]:
    """Sites that charted an item of which the task says `drop: sites`, whomever they gave it to."""
    patterns = [
        p
        for drug in task.drugs.values()
        for item, how in drug.items.items()
        if how.drop == "sites"
        for p in drug.patterns(item)
    ]
    return set(np.unique(events.site[book.flags(patterns, events.code)]).tolist())


def _absent_codes(book: CodeBook, task: Task) -> list[str]:
    """Features, drugs and context of which the dataset holds no code at all."""
    patterns = {name: set(rule.codes) for name, rule in {**task.features, **task.context}.items()}
    patterns |= {name: {d.starts(i) for i in d.items} for name, d in task.drugs.items()}
    absent = [name for name, wanted in patterns.items() if not any(book.numbers(p) for p in wanted)]
    if len(absent) > _NAMED:
        return [f"no code of {', '.join(absent[:_NAMED])} and {len(absent) - _NAMED:,} others occurs in these records"]
    return [f"no code of {name} occurs in these records" for name in absent]
