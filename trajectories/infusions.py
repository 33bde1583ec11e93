"""Infusions from their start and end events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import CodeBook
from .meds import HOUR, SECOND, STATIC, Events
from .ranges import Ints, expand
from .task import DrugRule, Task

_TALLY = 4  # infusions, clipped, unpaired, without a number


@dataclass(frozen=True)
class Infusions:
    """Running times and rates, sorted by subject, all (I,)."""

    subject: Ints
    start: Ints  # microseconds
    end: Ints
    rate: NDArray[np.float64]  # in the drug's unit
    drug: Ints  # column of the drug

    def __len__(self) -> int:
        return len(self.subject)


def find_infusions(events: Events, book: CodeBook, task: Task) -> tuple[Infusions, Ints]:
    """Every infusion of the task's drugs, sorted by subject and start; and what was found and mended.

    The tally (U, 4) counts infusions, clipped rates, starts or ends without their counterpart, and those without a
    usable number, which are dropped.
    """
    tally = np.zeros((len(task.drugs), _TALLY), np.int64)
    parts = []
    for column, drug in enumerate(task.drugs.values()):
        for item in drug.items:
            part, counts = _item(events, book, drug, item)
            parts.append((part.subject, part.start, part.end, part.rate, np.full(len(part), column)))
            tally[column] += counts
    joined = Infusions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.lexsort((joined.start, joined.subject))
    return Infusions(*(getattr(joined, name)[order] for name in ("subject", "start", "end", "rate", "drug"))), tally


def _item(events: Events, book: CodeBook, drug: DrugRule, item: str) -> tuple[Infusions, Ints]:
    """Infusions of one item, and their tally (4,)."""
    timed = events.time != STATIC
    starts = events.rows(np.append(book.matching([drug.starts(item)]), False)[events.code] & timed)
    ends = events.rows(np.append(book.matching([drug.ends(item)]), False)[events.code] & timed)
    first, last = pair(starts, ends)
    open_start = np.setdiff1d(np.arange(len(starts)), first, assume_unique=True)
    open_end = np.setdiff1d(np.arange(len(ends)), last, assume_unique=True)
    subject, begin, finish = starts.subject[first], starts.time[first], ends.time[last]
    amount = drug.by == "amount"
    value = ends.value[last] if amount else starts.value[first]
    if amount:  # an amount whose start is unknown was given by its end
        subject, value = np.append(subject, ends.subject[open_end]), np.append(value, ends.value[open_end])
        begin, finish = np.append(begin, ends.time[open_end]), np.append(finish, ends.time[open_end])
    else:
        subject, value = np.append(subject, starts.subject[open_start]), np.append(value, starts.value[open_start])
        begin = np.append(begin, starts.time[open_start])
        finish = np.append(finish, _open_until(starts, open_start, round(drug.open_hours * HOUR)))
    if amount:
        finish = np.maximum(finish, begin + SECOND)  # a bolus charted as an instant
        value = value / ((finish - begin) / HOUR)
    known = np.isfinite(value) & (value >= 0)
    rule = drug.items[item]
    limit = np.inf if rule.max_rate is None else rule.max_rate
    clipped = known & (value > limit)
    rate = np.minimum(value, limit) * rule.factor
    found = Infusions(subject[known], begin[known], finish[known], rate[known], np.zeros(int(known.sum()), np.int64))
    return found, np.array([len(value), clipped.sum(), len(open_start) + len(open_end), (~known).sum()])


def _open_until(starts: Events, index: Ints, longest: int) -> Ints:
    """An infusion without an end runs until the item's next start, or for the longest time taken for granted."""
    following = np.minimum(index + 1, len(starts) - 1)
    next_start = np.where(
        (starts.subject[following] == starts.subject[index]) & (following > index),
        starts.time[following],
        np.iinfo(np.int64).max,
    )
    return np.minimum(next_start, starts.time[index] + longest)


def pair(starts: Events, ends: Events) -> tuple[Ints, Ints]:
    """Indices of starts and of the ends that belong to them, first in first out per subject (one item's events)."""
    subjects = np.union1d(starts.subject, ends.subject)
    a, b = np.searchsorted(starts.subject, subjects), np.searchsorted(ends.subject, subjects)
    n = np.searchsorted(starts.subject, subjects, "right") - a
    m = np.searchsorted(ends.subject, subjects, "right") - b
    owner, first = expand(a, np.where(n == m, a + n, a))
    last = first - a[owner] + b[owner]
    backwards = np.bincount(owner, starts.time[first] > ends.time[last], len(subjects)) > 0
    regular = ~backwards[owner]  # as many ends as starts, none before its start: the k-th ends the k-th
    firsts, lasts = [first[regular]], [last[regular]]
    for row in np.flatnonzero((n != m) | backwards):
        queued = _queue(starts.time[a[row] : a[row] + n[row]], ends.time[b[row] : b[row] + m[row]])
        firsts.append(queued[:, 0] + a[row])
        lasts.append(queued[:, 1] + b[row])
    return np.concatenate(firsts), np.concatenate(lasts)


def _queue(starts: Ints, ends: Ints) -> Ints:
    """Pairs (P, 2) of a subject whose record has gaps: each end closes the oldest infusion still running."""
    waiting: deque[int] = deque()
    pairs = []
    i = 0
    for j, end in enumerate(ends):
        while i < len(starts) and starts[i] <= end:
            waiting.append(i)
            i += 1
        if waiting:
            pairs.append((waiting.popleft(), j))
    return np.array(pairs, np.int64).reshape(-1, 2)
