"""How stays end: by a code, by the last event where no code says so, and by a death in a window after time zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contracts import DIED, DISCHARGED, IN_CARE
from .codes import CodeBook
from .events import HOUR, NEVER, STATIC, Events, first_time, slices, timed
from .ranges import Ints, bisect
from .task import Task


@dataclass(frozen=True)
class Endings:
    """When and how stays end, and when their patients die; microseconds, all (N,)."""

    end: Ints  # NEVER where the record does not say
    outcome: Ints
    death: Ints  # the first death after the anchor, in the stay or not; NEVER where there is none

    def rows(self, index: NDArray[Any]) -> Endings:
        """These stays only."""
        return Endings(self.end[index], self.outcome[index], self.death[index])


def find_endings(events: Events, book: CodeBook, task: Task, stay: tuple[Ints, Ints, Ints]) -> Endings:
    """The first ending code after the anchor and up to the next anchor, of stays (subject, anchor, next anchor)."""
    subject, anchor, following = stay
    rule = task.outcome

    def first(patterns: Sequence[str], until: Ints) -> Ints:
        return first_time(timed(events, book, patterns), subject, anchor + 1, until)

    discharged, died, censored = (first(p, following + 1) for p in (rule.discharged, rule.died, rule.censored))
    end = np.minimum(np.minimum(discharged, died), censored)
    if rule.unended == "censor":
        start, stop = slices(events, subject)
        last = bisect(events.time, start, stop, following) - 1
        time = np.append(events.time, STATIC)[np.where(last >= start, last, len(events))]
        end = np.where((end == NEVER) & (time > anchor), time, end)
    dead = (died < NEVER) & (died - end <= round(rule.died_within * HOUR))
    outcome = np.where(dead, DIED, np.where(discharged == end, DISCHARGED, IN_CARE))
    return Endings(end, outcome, first(rule.died, np.full_like(anchor, NEVER)))


def in_window(task: Task, endings: Endings, time_zero: Ints, outcome: Ints) -> Ints:
    """Outcome (N,) by the task's window: who died within it died, whether in care, discharged or beyond the horizon."""
    if task.outcome.window is None:
        return outcome
    within = endings.death - time_zero <= round(task.outcome.window * HOUR)
    return np.where(within & (endings.death < NEVER), DIED, outcome)
