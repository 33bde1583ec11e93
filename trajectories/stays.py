"""Who is in the cohort, from when to when, and how it ended; everyone left out is counted.

Time zero is one second after the anchor and all conditions have happened, so whatever decided on inclusion precedes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contracts import DIED, DISCHARGED, IN_CARE
from .codes import CodeBook
from .decision_times import Moments, decision_times
from .meds import HOUR, SECOND, STATIC, Events
from .ranges import Ints, bisect
from .task import Condition, Task

NEVER = 1 << 62  # later than any time
YEAR = 365.25 * 24 * HOUR


@dataclass(frozen=True)
class Stays:
    """N stays; times in microseconds since 1970, all (N,) int64."""

    subject: Ints
    time_zero: Ints
    end: Ints  # end of the stay, or of the horizon where that comes first
    outcome: Ints
    decisions: Ints  # (N, T+1) when they are taken, after time zero; see `decision_times`

    def __len__(self) -> int:
        return len(self.subject)


def flow_steps(task: Task) -> list[str]:
    """Names of the steps that `find_stays` counts, in order."""
    adult = [] if task.cohort.min_age is None else [f"aged {task.cohort.min_age:g} or more"]
    middle = [*adult, *(condition.label for condition in task.cohort.conditions)]
    return [task.cohort.label, "end recorded", *middle, "in care at time zero"]


def find_stays(events: Events, book: CodeBook, task: Task, called: Moments | None = None) -> tuple[Stays, list[int]]:
    """The stays of these subjects, and how many remain after each of `flow_steps`; `called`: see `moments`."""
    anchors = _matching(events, book, task.cohort.anchor)
    first = np.append(True, (anchors.subject[1:] != anchors.subject[:-1]) | (anchors.time[1:] != anchors.time[:-1]))
    anchors = anchors.rows(first[: len(anchors)])
    subject, anchor = anchors.subject, anchors.time
    following = np.append(np.where(subject[1:] == subject[:-1], anchor[1:], NEVER), NEVER)[: len(anchor)]
    end, outcome = _ends(events, book, task, (subject, anchor, following))
    met = [_first_sign(events, book, c, (subject, anchor, end)) for c in task.cohort.conditions]
    time_zero = np.maximum.reduce([anchor, *met]) + SECOND
    keep = [end < NEVER]
    if task.cohort.min_age is not None:
        known = time_zero < NEVER
        birth = first_time(_matching(events, book, task.cohort.birth), subject, STATIC + 1, NEVER)
        reached = np.where(known, time_zero, anchor)  # until a later step drops the stay, its age at the anchor counts
        keep.append((birth < NEVER) & ((reached - np.minimum(birth, reached)) / YEAR >= task.cohort.min_age))
    keep += [m < NEVER for m in met]
    keep.append(time_zero < end)
    kept, counts = np.ones(len(anchor), bool), [len(anchor)]
    for step in keep:
        kept = kept & step
        counts.append(int(kept.sum()))
    found = subject[kept], time_zero[kept], end[kept], outcome[kept]
    return _within_horizon(task, called, *found), counts


def first_time(events: Events, subject: Ints, low: Ints | int, high: Ints | int) -> Ints:
    """Time (Q,) of each subject's first of these events within low <= time < high; NEVER where there is none."""
    start = np.searchsorted(events.subject, subject, "left").astype(np.int64)
    stop = np.searchsorted(events.subject, subject, "right").astype(np.int64)
    index = bisect(events.time, start, stop, np.broadcast_to(np.asarray(low, np.int64), subject.shape))
    if not len(events):
        return np.full(len(subject), NEVER)
    time = events.time[np.minimum(index, len(events) - 1)]
    return np.where((index < stop) & (time < high), time, NEVER)


def _matching(events: Events, book: CodeBook, patterns: Iterable[str]) -> Events:
    """Events of these codes that have a time."""
    return events.rows(_flags(book, patterns)[events.code] & (events.time != STATIC))


def _flags(book: CodeBook, patterns: Iterable[str]) -> NDArray[np.bool_]:
    return np.append(book.matching(patterns), False)  # never empty, so that it can be indexed


def _ends(events: Events, book: CodeBook, task: Task, stay: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints]:
    """End and outcome: the first ending code after the anchor and up to the next anchor."""
    subject, anchor, following = stay

    def first(patterns: Sequence[str]) -> Ints:
        return first_time(_matching(events, book, patterns), subject, anchor + 1, following + 1)

    discharged, died, censored = map(first, (task.outcome.discharged, task.outcome.died, task.outcome.censored))
    end = np.minimum(np.minimum(discharged, died), censored)
    dead = (died < NEVER) & (died - end <= round(task.outcome.died_within * HOUR))
    return end, np.where(dead, DIED, np.where(discharged == end, DISCHARGED, IN_CARE))


def _first_sign(events: Events, book: CodeBook, condition: Condition, stay: tuple[Ints, Ints, Ints]) -> Ints:
    """When the condition is first known to be met (N,), in its hours and before the end; else NEVER."""
    subject, anchor, end = stay
    low, high = (anchor + round(hours * HOUR) for hours in condition.hours)
    met = np.full(len(anchor), NEVER)
    for sign in condition.any:
        hit = _flags(book, sign.codes)[events.code] & (events.time != STATIC)
        if sign.above is not None:
            hit &= events.value > sign.above
        if sign.below is not None:
            hit &= events.value < sign.below
        delay = round(sign.delay * HOUR)
        stamped = first_time(events.rows(hit), subject, low - delay, np.minimum(high, end) - delay)
        met = np.minimum(met, np.where(stamped < NEVER, stamped + delay, NEVER))
    return met


def _within_horizon(
    task: Task, called: Moments | None, subject: Ints, time_zero: Ints, end: Ints, outcome: Ints
) -> Stays:
    """Stays cut at the horizon, where they are still in care."""
    times = decision_times(called, subject, time_zero, end, task)
    last = time_zero + times[:, -1]
    return Stays(subject, time_zero, last, np.where(end > last, IN_CARE, outcome), times)
