"""Events in memory: five columns, sorted by subject and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import CodeBook
from .ranges import Ints, bisect

STATIC = np.iinfo(np.int64).min  # the time of a fact without one: before everything
NEVER = 1 << 62  # later than any time
SECOND = 1_000_000  # microseconds
HOUR = 3600 * SECOND


class MedsError(ValueError):
    """A dataset that cannot be read."""


@dataclass(frozen=True)
class Events:
    """Wanted events, sorted by subject and time (E,); all events of each subject in it are there."""

    subject: NDArray[np.int64]
    time: NDArray[np.int64]  # microseconds since 1970; STATIC without a time
    code: NDArray[np.int32]  # number in the code book
    value: NDArray[np.float64]  # NaN without a number
    site: NDArray[np.int64]  # number in the site column, -1 where it is null; 0 where none is asked for

    def __len__(self) -> int:
        return len(self.subject)

    def rows(self, index: NDArray[Any] | slice) -> Events:
        """These events only; `index` is bool, int or a slice."""
        return Events(self.subject[index], self.time[index], self.code[index], self.value[index], self.site[index])


def in_order(parts: list[Events]) -> Events:
    """All the events, sorted by subject and time; those that share both keep their order."""
    columns = [[getattr(p, name) for p in parts] for name in ("subject", "time", "code", "value", "site")]
    subject, time, code, value, site = (np.concatenate(c) if c else np.empty(0, np.int64) for c in columns)
    events = Events(subject, time, code.astype(np.int32), value.astype(np.float64), site)
    same = subject[1:] == subject[:-1]
    if ((subject[1:] > subject[:-1]) | (same & (time[1:] >= time[:-1]))).all():
        return events
    return events.rows(np.lexsort((time, subject)))


def timed(events: Events, book: CodeBook, patterns: Iterable[str]) -> Events:
    """Events of these codes that have a time."""
    return events.rows(book.flags(patterns, events.code) & (events.time != STATIC))


def slices(events: Events, subject: Ints) -> tuple[Ints, Ints]:
    """First event and the one after the last (Q,) of each subject."""
    start = np.searchsorted(events.subject, subject, "left").astype(np.int64)
    return start, np.searchsorted(events.subject, subject, "right").astype(np.int64)


def first_time(events: Events, subject: Ints, low: Ints | int, high: Ints | int) -> Ints:
    """Time (Q,) of each subject's first of these events within low <= time < high; NEVER where there is none."""
    start, stop = slices(events, subject)
    index = bisect(events.time, start, stop, np.broadcast_to(np.asarray(low, np.int64), subject.shape))
    if not len(events):
        return np.full(len(subject), NEVER)
    time = events.time[np.minimum(index, len(events) - 1)]
    return np.where((index < stop) & (time < high), time, NEVER)
