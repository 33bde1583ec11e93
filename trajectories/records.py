"""Health records in: a MEDS dataset and a task become trajectories, with everyone left out counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..contracts import Progress, Trajectories, silent
from .batches import concatenate
from .carry import pad
from .codes import CodeBook
from .context import find_context
from .coverage import Coverage, Tally, coverage
from .decision_times import moments
from .doses import dose
from .grid import hours, lookback, measurements, states
from .infusions import find_infusions
from .meds import Events, MedsError, stream
from .stays import find_stays, flow_steps
from .task import Task

logger = logging.getLogger(__name__)


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
    """Trajectories of the task's cohort in a MEDS dataset: one parquet file or a folder of shards.

    Leak-free: the state at t uses events strictly before t, the dose covers [t, t + interval), and inclusion uses only
    what precedes time zero. Memory does not grow with the number of shards, apart from the result. Stays come sorted
    by subject, then time. MedsError for an unreadable dataset, or one that holds no stay of this cohort.
    """
    book = CodeBook(wanted_patterns(task))
    parts: list[Trajectories] = []
    tally: Tally | None = None
    warnings: list[str] = []
    for share, events in stream(path, book, warnings.append):
        part, counts = _read_part(events, book, task)
        parts += [part] if len(part) else []
        tally = counts if tally is None else tally + counts
        progress(share, "reading records")
    steps = zip(flow_steps(task), [] if tally is None else tally.flow, strict=False)
    flow = tuple(FlowStep(step, int(stays)) for step, stays in steps)
    if not parts or tally is None:
        counted = "; ".join(f"{step.step}: {step.stays}" for step in flow)
        raise MedsError(f"{path}: no stay fits the task {task.name!r} ({counted}); check its codes and cohort rule")
    trajectories = concatenate(parts)
    trajectories = trajectories.rows(torch.sort(trajectories.subject, stable=True).indices)
    warnings += _absent_codes(book, task)
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return Records(trajectories, flow, coverage(trajectories, tally), tuple(warnings))


def wanted_patterns(task: Task) -> set[str]:
    """Every code pattern that a task reads."""
    wanted = {p for rule in (*task.features.values(), *task.context.values()) for p in rule.codes}
    wanted |= {code for d in task.drugs.values() for item in d.items for code in (d.starts(item), d.ends(item))}
    wanted |= {p for condition in task.cohort.conditions for sign in condition.any for p in sign.codes}
    wanted |= set(task.decisions.at) if task.decisions else set()
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
    vitals, seen, age = states(found, stays, task, spec)
    given = torch.from_numpy(dose(infusions, stays, task).astype(np.float32))
    highest = torch.tensor([drug.high for drug in spec.drugs])
    context, context_counts = find_context(events, book, stays, task, spec)
    duration = hours(stays)
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
            site=torch.zeros(len(stays), dtype=torch.int64),
        )
    )
    above = (given > highest).sum((0, 1)).numpy()
    return trajectories, Tally(np.array(flow), values, np.column_stack((infusion_counts, above)), context_counts)


def _absent_codes(book: CodeBook, task: Task) -> list[str]:
    """Features, drugs and context of which the dataset holds no code at all."""
    patterns = {name: set(rule.codes) for name, rule in {**task.features, **task.context}.items()}
    patterns |= {name: {d.starts(i) for i in d.items} for name, d in task.drugs.items()}
    absent = [name for name, wanted in patterns.items() if not book.matching(wanted).any()]
    return [f"no code of {name} occurs in these records" for name in absent]
