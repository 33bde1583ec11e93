"""When decisions are taken: on a fixed grid, at events such as visits, or whenever a dose changed."""

from __future__ import annotations

import numpy as np

from .codes import CodeBook
from .events import HOUR, NEVER, SECOND, Events, timed
from .infusions import Infusions
from .ranges import Ints, bisect
from .task import Task

Moments = tuple[Ints, Ints]  # subject and time (M,), sorted by both


def moments(events: Events, book: CodeBook, infusions: Infusions, task: Task) -> Moments | None:
    """When something happened that calls for a decision, of all subjects; None on a fixed grid."""
    rule = task.decisions
    if rule is None:
        return None
    if rule.when == "dose change":
        return dose_changes(infusions)
    called = timed(events, book, rule.at)
    return called.subject, called.time + round(rule.delay * HOUR)


def dose_changes(infusions: Infusions) -> Moments:
    """When the total rate of a drug changed; a bag swapped at the same rate and the end of a bolus are no changes."""
    bolus = infusions.end - infusions.start <= SECOND
    subject = np.concatenate((infusions.subject, infusions.subject[~bolus]))
    time = np.concatenate((infusions.start, infusions.end[~bolus]))
    drug = np.concatenate((infusions.drug, infusions.drug[~bolus]))
    change = np.concatenate((infusions.rate, -infusions.rate[~bolus]))
    if not len(subject):
        return subject, time
    order = np.lexsort((drug, time, subject))
    subject, time, drug, change = subject[order], time[order], drug[order], change[order]
    starts = np.flatnonzero(np.append(True, (np.diff(subject) != 0) | (np.diff(time) != 0) | (np.diff(drug) != 0)))
    net, size = np.add.reduceat(change, starts), np.add.reduceat(np.abs(change), starts)
    real = starts[np.abs(net) > 1e-9 * size]
    return subject[real], time[real]


def decision_times(called: Moments | None, subject: Ints, time_zero: Ints, end: Ints, task: Task) -> Ints:
    """Times (N, T+1) of the decisions, in microseconds after time zero; from a stay's end on, that end.

    Column T is when the decision after the horizon would have been taken. On a fixed grid every `interval` hours; else
    at the first moment that is at least `least` hours after the last decision, or `greatest` hours after it where
    nothing called earlier.
    """
    last, step = end - time_zero, round(task.interval * HOUR)
    if called is None or task.decisions is None:
        grid: Ints = np.minimum(np.arange(task.horizon + 1) * step, last[:, None])
        return grid
    rule, times = task.decisions, np.zeros((len(subject), task.horizon + 1), np.int64)
    low = np.searchsorted(called[0], subject, "left").astype(np.int64)
    high = np.searchsorted(called[0], subject, "right").astype(np.int64)
    least = max(round(rule.least * HOUR), 1)
    greatest = NEVER if rule.greatest is None else round(rule.greatest * HOUR)
    padded = np.append(called[1], NEVER)
    for t in range(task.horizon):
        index = bisect(called[1], low, high, time_zero + times[:, t] + least)
        following = np.where(index < high, padded[np.minimum(index, len(padded) - 1)] - time_zero, NEVER)
        times[:, t + 1] = np.minimum(np.minimum(following, times[:, t] + greatest), last)
    return times


def interval_of(times: Ints, row: Ints, moment: Ints) -> Ints:
    """How many of the decisions `times[row]` (N, T+1) are at or before each moment (M,)."""
    width = times.shape[1]
    first: Ints = row * width
    return bisect(times.ravel(), first, first + width, moment + 1) - first
