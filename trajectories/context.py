"""What is known of a patient at time zero: age, last values, and whether a code is on record."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import Spec
from .codes import CodeBook
from .events import HOUR, NEVER, STATIC, Events, first_time
from .grid import measurements
from .quantities import ContextRule
from .ranges import Ints
from .stays import YEAR, Stays
from .task import Task

_Column = tuple[NDArray[np.float32], int]  # the column (N,), NaN where unknown, and how many numbers were out of bounds


def find_context(events: Events, book: CodeBook, stays: Stays, task: Task, spec: Spec) -> tuple[Tensor, Ints]:
    """Context (N, C) from events before time zero; per column (C, 2) the stays lacking it and numbers out of bounds.

    What is lacking takes the midpoint of the reference range; a code that is not on record is 0.
    """
    columns, counts = [], []
    for feature, (name, rule) in zip(spec.context, task.context.items(), strict=True):
        if rule.kind == "value":
            column, outside = _last_value(events, book, stays, name, rule)
        else:
            flags = book.flags(rule.used, events.code)
            known = first_time(events.rows(flags), stays.subject, STATIC, stays.time_zero)
            if rule.kind == "years":
                column, outside = _years(known, stays, rule)
            else:
                column, outside = (known < NEVER).astype(np.float32), 0
        counts.append((int(np.isnan(column).sum()), outside))
        columns.append(np.where(np.isnan(column), np.float32(feature.midpoint), column))
    stacked = np.stack(columns, 1) if columns else np.empty((len(stays), 0), np.float32)
    return torch.from_numpy(stacked), np.array(counts, np.int64).reshape(-1, 2)


def _last_value(events: Events, book: CodeBook, stays: Stays, name: str, rule: ContextRule) -> _Column:
    """The last number of one rule's codes; where two share a time, the code named first, then the larger number."""
    found, tally = measurements(
        events, book, {name: rule}, stays, back=round(rule.max_age * HOUR), until=stays.time_zero
    )
    order = np.lexsort((found.value, -found.priority, found.time))  # the last one written is the last one measured
    column = np.full(len(stays), np.nan, np.float32)
    column[found.stay[order]] = found.value[order]
    return column, int(tally[0, 1])


def _years(since: Ints, stays: Stays, rule: ContextRule) -> _Column:
    """Years from an event to time zero, where the event has a time."""
    dated = (since < NEVER) & (since > STATIC)
    years = ((stays.time_zero - np.where(dated, since, stays.time_zero)) / YEAR).astype(np.float32)
    inside = dated & (years >= np.float32(rule.low)) & (years <= np.float32(rule.high))
    return np.where(inside, years, np.float32(np.nan)), int((dated & ~inside).sum())
