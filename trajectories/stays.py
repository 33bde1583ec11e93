"""Who is in the cohort, from when to when, and how it ended; everyone left out is counted.

Time zero is one second after the anchor and all conditions have happened, so whatever decided on inclusion precedes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contracts import IN_CARE
from .codes import CodeBook
from .cohort_rule import Condition
from .decision_times import Moments, decision_times
from .endings import find_endings, in_window
from .events import HOUR, NEVER, SECOND, STATIC, Events, first_time, slices, timed
from .meds_columns import site_number
from .ranges import Ints, bisect
from .task import Task

YEAR = 365.25 * 24 * HOUR


@dataclass(frozen=True)
class Stays:
    """N stays; times in microseconds since 1970, all (N,) int64."""

    subject: Ints
    time_zero: Ints
    end: Ints  # end of the stay, or of the horizon where that comes first
    outcome: Ints
    decisions: Ints  # (N, T+1) when they are taken, after time zero; see `decision_times`
    site: Ints

    def __len__(self) -> int:
        return len(self.subject)


def flow_steps(task: Task) -> list[str]:
    """Names of the steps that `find_stays` counts, in order."""
    cohort = task.cohort
    steps = [cohort.label, "end recorded" if task.outcome.unended == "drop" else "any event after the anchor"]
    steps += ["first stay of the patient"] if cohort.stays == "first" else []
    steps += [] if cohort.min_gap is None else [f"{cohort.min_gap:g} hours or more after the last stay"]
    steps += [] if cohort.min_age is None else [f"aged {cohort.min_age:g} or more"]
    return [*steps, *(condition.label for condition in cohort.conditions), "in care at time zero"]


def find_stays(events: Events, book: CodeBook, task: Task, called: Moments | None = None) -> tuple[Stays, list[int]]:
    """The stays of these subjects, and how many remain after each of `flow_steps`; `called`: see `moments`."""
    anchors = timed(events, book, task.cohort.anchor)
    first = np.append(True, (anchors.subject[1:] != anchors.subject[:-1]) | (anchors.time[1:] != anchors.time[:-1]))
    anchors = anchors.rows(first[: len(anchors)])
    subject, anchor = anchors.subject, anchors.time
    following = np.append(np.where(subject[1:] == subject[:-1], anchor[1:], NEVER), NEVER)[: len(anchor)]
    endings = find_endings(events, book, task, (subject, anchor, following))
    met = [_first_sign(events, book, c, (subject, anchor, endings.end)) for c in task.cohort.conditions]
    time_zero = np.maximum.reduce([anchor, *met]) + SECOND
    keep = [endings.end < NEVER, *_readmissions(task, subject, anchor, endings.end)]
    if task.cohort.min_age is not None:
        known = time_zero < NEVER
        birth = first_time(timed(events, book, task.cohort.birth), subject, STATIC + 1, NEVER)
        reached = np.where(known, time_zero, anchor)  # until a later step drops the stay, its age at the anchor counts
        keep.append((birth < NEVER) & ((reached - np.minimum(birth, reached)) / YEAR >= task.cohort.min_age))
    keep += [m < NEVER for m in met]
    keep.append(time_zero < endings.end)
    kept, counts = np.ones(len(anchor), bool), [len(anchor)]
    for step in keep:
        kept = kept & step
        counts.append(int(kept.sum()))
    subject, time_zero, endings = subject[kept], time_zero[kept], endings.rows(kept)
    times = decision_times(called, subject, time_zero, endings.end, task)
    last = time_zero + times[:, -1]  # of the stay, or of the horizon, where it is still in care
    outcome = np.where(endings.end > last, IN_CARE, endings.outcome)
    outcome = in_window(task, endings, time_zero, outcome)
    site = _site(events, book, task, (subject, time_zero, anchors.site[kept]))
    return Stays(subject, time_zero, last, outcome, times, site), counts


def _readmissions(task: Task, subject: Ints, anchor: Ints, end: Ints) -> list[NDArray[np.bool_]]:
    """Which stays (N,) are the patient's first, and come long enough after the last one ended, as far as asked."""
    again = np.append(False, subject[1:] == subject[:-1])[: len(subject)]
    steps = [~again] if task.cohort.stays == "first" else []
    if task.cohort.min_gap is not None:
        ended = np.where(end < NEVER, end, anchor)  # of a stay without an end, its beginning
        gap = anchor[1:] - ended[:-1] >= round(task.cohort.min_gap * HOUR)
        steps.append(~again | np.append(True, gap)[: len(subject)])
    return steps


def _site(events: Events, book: CodeBook, task: Task, stay: tuple[Ints, Ints, Ints]) -> Ints:
    """Site (N,): the column at the anchor, or the last part of the last code before time zero; -1 where unknown."""
    subject, time_zero, at_anchor = stay
    rule = task.cohort.site
    if rule is None or rule.column is not None:
        return at_anchor
    named = events.rows(book.flags(rule.codes, events.code))
    start, stop = slices(named, subject)
    last = bisect(named.time, start, stop, time_zero) - 1
    numbers = np.array([*(site_number(code.rpartition("//")[2]) for code in book.codes), -1], np.int64)
    code = np.append(named.code, -1)[np.where(last >= start, last, len(named))]
    site: Ints = numbers[code]
    return site


def _first_sign(events: Events, book: CodeBook, condition: Condition, stay: tuple[Ints, Ints, Ints]) -> Ints:
    """When the condition is first known to be met (N,), in its hours and before the end; else NEVER."""
    subject, anchor, end = stay
    low, high = (anchor + round(hours * HOUR) for hours in condition.hours)
    met = np.full(len(anchor), NEVER)
    for sign in condition.any:
        hit = book.flags(sign.codes, events.code) & (events.time != STATIC)
        if sign.above is not None:
            hit &= events.value > sign.above
        if sign.below is not None:
            hit &= events.value < sign.below
        delay = round(sign.delay * HOUR)
        stamped = first_time(events.rows(hit), subject, low - delay, np.minimum(high, end) - delay)
        met = np.minimum(met, np.where(stamped < NEVER, stamped + delay, NEVER))
    return met
