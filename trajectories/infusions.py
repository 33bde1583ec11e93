"""Infusions and boluses of a task's drugs, however they are charted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import CodeBook
from .drug_rule import DrugRule, ItemRule
from .events import HOUR, NEVER, SECOND, Events, first_time, timed
from .pairing import pair
from .ranges import Ints
from .task import Task

Floats = NDArray[np.float64]
BOLUS = SECOND / HOUR  # hours that a bolus takes
_TALLY = 4  # infusions, clipped, unpaired, without a number
_FIELDS = ("subject", "start", "end", "rate", "drug", "per")


@dataclass(frozen=True)
class Infusions:
    """Running times and rates, sorted by subject, all (I,)."""

    subject: Ints
    start: Ints  # microseconds
    end: Ints
    rate: Floats  # in the drug's unit, but for what it is still to be divided by
    drug: Ints  # column of the drug
    per: Ints  # the context column that divides the rate; -1 for none

    def __len__(self) -> int:
        return len(self.subject)


_Course = tuple[Ints, Ints, Ints, Floats]  # subject, start, end, charted rate


def find_infusions(events: Events, book: CodeBook, task: Task) -> tuple[Infusions, Ints]:
    """Every infusion of the task's drugs, sorted by subject and start; and what was found and mended.

    The tally (U, 4) counts infusions, clipped rates, those without their charted end or start, and those without a
    usable number, which are dropped.
    """
    tally = np.zeros((len(task.drugs), _TALLY), np.int64)
    parts = []
    for column, drug in enumerate(task.drugs.values()):
        courses = [_course(events, book, drug, item) for item in drug.items if drug.by_of(item) != "rows"]
        items = [(item, *course) for item, course in zip(_charted(drug, rows=False), courses, strict=True)]
        items += [(item, *found) for item, found in _rows(events, book, drug, task).items()]
        for item, course, unpaired in items:
            rule = drug.items[item]
            if rule.drop is not None:
                continue
            part, counts = _finished(course, rule, 1 / BOLUS if drug.by_of(item) == "bolus" else 1.0)
            per = -1 if rule.per is None else list(task.context).index(rule.per)
            parts.append((*part, np.full(len(part[0]), column), np.full(len(part[0]), per)))
            tally[column] += [counts[0], counts[1], unpaired, counts[2]]
    empty = np.empty(0, np.int64)
    columns = zip(*parts, strict=True) if parts else [[empty]] * len(_FIELDS)
    joined = Infusions(*(np.concatenate(column) for column in columns))
    order = np.lexsort((joined.start, joined.subject))
    return Infusions(*(getattr(joined, name)[order] for name in _FIELDS)), tally


def _charted(drug: DrugRule, *, rows: bool) -> list[str]:
    return [item for item in drug.items if (drug.by_of(item) == "rows") == rows]


def _finished(course: _Course, rule: ItemRule, speed: float) -> tuple[_Course, tuple[int, int, int]]:
    """A course in the drug's unit, clipped; and how many there were, were clipped, and had no usable number.

    `speed` is the rate that a number of 1 means.
    """
    subject, start, end, value = course
    known = np.isfinite(value) & (value >= 0)
    limit = np.inf if rule.max_rate is None else rule.max_rate
    rate = np.minimum(value, limit) * rule.factor * speed
    counts = len(value), int((known & (value > limit)).sum()), int((~known).sum())
    return (subject[known], start[known], end[known], rate[known]), counts


def _course(events: Events, book: CodeBook, drug: DrugRule, item: str) -> tuple[_Course, int]:
    """Course of one item with starts and ends or of boluses, and how many lacked their counterpart."""
    starts = timed(events, book, [drug.starts(item)])
    if drug.by_of(item) == "bolus":
        return (starts.subject, starts.time, starts.time + SECOND, starts.value), 0
    ends = timed(events, book, [drug.ends(item) or ""])
    first, last = pair(starts, ends)
    open_start = np.setdiff1d(np.arange(len(starts)), first, assume_unique=True)
    open_end = np.setdiff1d(np.arange(len(ends)), last, assume_unique=True)
    subject, begin, finish = starts.subject[first], starts.time[first], ends.time[last]
    unpaired = len(open_start) + len(open_end)
    if drug.by_of(item) == "amount":  # an amount whose start is unknown was given by its end
        subject, value = np.append(subject, ends.subject[open_end]), np.append(ends.value[last], ends.value[open_end])
        begin, finish = np.append(begin, ends.time[open_end]), np.append(finish, ends.time[open_end])
        finish = np.maximum(finish, begin + SECOND)  # a bolus charted as an instant
        return (subject, begin, finish, value / ((finish - begin) / HOUR)), unpaired
    subject, begin = np.append(subject, starts.subject[open_start]), np.append(begin, starts.time[open_start])
    finish = np.append(finish, _open_until(starts, open_start, round(drug.open_hours * HOUR)))
    return (subject, begin, finish, np.append(starts.value[first], starts.value[open_start])), unpaired


def _open_until(starts: Events, index: Ints, longest: int) -> Ints:
    """An infusion without an end runs until the item's next start, or for the longest time taken for granted."""
    following = np.minimum(index + 1, len(starts) - 1)
    same = (starts.subject[following] == starts.subject[index]) & (following > index)
    next_start = np.where(same, starts.time[following], NEVER)
    return np.minimum(next_start, starts.time[index] + longest)


def _rows(events: Events, book: CodeBook, drug: DrugRule, task: Task) -> dict[str, tuple[_Course, int]]:
    """Courses of the items charted as rows, and how many were cut at `open_hours`.

    A row is a rate until the next row of its group, dropped ones included; then it is off, as it is after `open_hours`
    and at the end of the stay. Of rows at one time, that of the item named first counts.
    """
    found: dict[str, tuple[_Course, int]] = {}
    groups: dict[str, list[str]] = {}
    for item in _charted(drug, rows=True):
        groups.setdefault(drug.items[item].ends(item), []).append(item)
    outcome, longest = task.outcome, round(drug.open_hours * HOUR)
    stops = timed(events, book, [*outcome.discharged, *outcome.died, *outcome.censored]) if groups else events
    for items in groups.values():
        rows, owner = _of_items(events, book, drug, items)
        following = np.append(np.where(rows.subject[1:] == rows.subject[:-1], rows.time[1:], NEVER), NEVER)[: len(rows)]
        natural = np.minimum(following, first_time(stops, rows.subject, rows.time + 1, NEVER))
        end = np.minimum(natural, rows.time + longest)
        cut = (end < natural) & (rows.value > 0)
        for number, item in enumerate(items):
            own = owner == number
            course = (rows.subject[own], rows.time[own], end[own], rows.value[own])
            found[item] = course, int((cut & own).sum())
    return found


def _of_items(events: Events, book: CodeBook, drug: DrugRule, items: Sequence[str]) -> tuple[Events, Ints]:
    """Rows of some items by subject and time, the item named first last of a tie; and which item each is of."""
    owners = np.full(len(book.codes) + 1, -1)
    for number, item in reversed(list(enumerate(items))):
        owners[book.numbers(drug.starts(item))] = number
    owner = owners[events.code]
    rows = timed(events.rows(owner >= 0), book, [drug.starts(item) for item in items])
    owner = owners[rows.code]
    order = np.lexsort((-owner, rows.time, rows.subject))
    return rows.rows(order), owner[order]
