"""From events to states: what was measured since the previous decision, aggregated, and carried forward with its age.

State t reads events strictly before t. A window reaches from the previous decision (included) to the decision
(excluded); windows of the same length before time zero supply what is carried into the first state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contracts import Spec
from .carry import carry, limits
from .codes import CodeBook
from .decision_times import interval_of
from .events import HOUR, Events, slices
from .quantities import Aggregation, ContextRule, FeatureRule
from .ranges import Ints, bisect, expand
from .stays import Stays
from .task import Task

Floats = NDArray[np.float64]
Rules = Mapping[str, FeatureRule | ContextRule]


@dataclass(frozen=True)
class Measurements:
    """Numbers of stays in a quantity's unit, in bounds, all (M,)."""

    stay: Ints
    column: Ints  # which feature or context column
    time: Ints  # when it was known, in microseconds after time zero
    value: NDArray[np.float32]
    priority: Ints  # place of the code in the rule: settles ties in time

    def rows(self, index: NDArray[Any]) -> Measurements:
        return Measurements(
            self.stay[index], self.column[index], self.time[index], self.value[index], self.priority[index]
        )


def measurements(
    events: Events, book: CodeBook, rules: Rules, stays: Stays, *, back: int, until: Ints
) -> tuple[Measurements, Ints]:
    """What became known of each stay from `back` microseconds before time zero to `until` (N,), excluded.

    The tally (D, 2) counts the numbers found, and those of them that were out of bounds and dropped.
    """
    entries = _entries(book, rules)
    events = events.rows(np.isin(events.code, entries["number"]) & np.isfinite(events.value))
    start, stop = slices(events, stays.subject)
    longest = max((_delay(rule) for rule in rules.values()), default=0)
    low = bisect(events.time, start, stop, stays.time_zero - back - longest)
    stay, event = expand(low, bisect(events.time, start, stop, until))
    code = events.code[event]
    row, entry = expand(np.searchsorted(entries["number"], code), np.searchsorted(entries["number"], code, "right"))
    known = events.time[event[row]] + entries["delay"][entry]
    timely = (known >= stays.time_zero[stay[row]] - back) & (known < until[stay[row]])
    stay, event, entry, known = stay[row][timely], event[row][timely], entry[timely], known[timely]
    column = entries["column"][entry]
    value = (events.value[event] * entries["factor"][entry] + entries["offset"][entry]).astype(np.float32)
    bounds = np.array([(rule.low, rule.high) for rule in rules.values()], np.float32).reshape(-1, 2)[column]
    inside = (value >= bounds[:, 0]) & (value <= bounds[:, 1])
    tally = np.stack([np.bincount(column, minlength=len(rules)), np.bincount(column[~inside], minlength=len(rules))], 1)
    return Measurements(stay, column, known - stays.time_zero[stay], value, entries["priority"][entry]).rows(
        inside
    ), tally


def lookback(task: Task) -> int:
    """Microseconds before time zero that may enter the first state: the oldest value carried, or one interval."""
    return round(max(task.interval, *(rule.max_age for rule in task.features.values())) * HOUR)


def states(found: Measurements, stays: Stays, task: Task, spec: Spec) -> tuple[Tensor, Tensor, Tensor]:
    """Vitals, seen and age (N, T+1, D) of the states; those after a stay's end are to be padded."""
    size = (len(stays), task.horizon + 1, len(task.features))
    kinds = [rule.aggregation for rule in task.features.values()]
    found, window = _preferred(found, _windows(found, stays, task), task)
    late = window >= 0
    key = (found.stay * size[1] + window) * size[2] + found.column
    value, _ = _aggregate(found.rows(late), key[late], kinds, int(np.prod(size)))
    measured = value.reshape(size)
    rates = [column for column, kind in enumerate(kinds) if kind == "rate"]
    measured[:, :, rates] /= _window_hours(stays, task)[:, :, None]
    seen = torch.from_numpy(~np.isnan(measured))
    filled = torch.from_numpy(np.nan_to_num(measured).astype(np.float32))
    vitals, age = _first_state(found.rows(~late), window[~late], stays, task, spec)
    first = torch.where(seen[:, 0], filled[:, 0], vitals), torch.where(seen[:, 0], 0.0, age)
    path = [first]
    duration = hours(stays)
    for t in range(task.horizon):
        path.append(carry(spec, *path[-1], duration[:, t], filled[:, t + 1], seen[:, t + 1]))
    return torch.stack([v for v, _ in path], 1), seen, torch.stack([a for _, a in path], 1)


def late_values(found: Measurements, stays: Stays, task: Task) -> Ints:
    """How many numbers of each feature (D,) became known at or after the decision whose state they enter: none may."""
    window = np.maximum(_windows(found, stays, task), 0)
    late = found.time >= stays.decisions[found.stay, window]
    return np.bincount(found.column[late], minlength=len(task.features))


def hours(stays: Stays) -> Tensor:
    """Hours (N, T) of each interval: the last one ends with the stay, later ones are 0."""
    return torch.from_numpy((np.diff(stays.decisions, axis=1) / HOUR).astype(np.float32))


def _windows(found: Measurements, stays: Stays, task: Task) -> Ints:
    """The state that first sees each measurement; 0 is the window before time zero, earlier ones are negative."""
    earlier = found.time // round(task.interval * HOUR) + 1
    if task.decisions is None:
        return earlier
    return np.where(found.time < 0, earlier, interval_of(stays.decisions, found.stay, found.time))


def _preferred(found: Measurements, window: Ints, task: Task) -> tuple[Measurements, Ints]:
    """Where codes repeat each other, the numbers of the first code named that has any in a window."""
    choosy = np.array([rule.overlap == "first" for rule in task.features.values()])[found.column]
    if not choosy.any():
        return found, window
    order = np.lexsort((found.priority, window, found.stay, found.column))
    groups = np.stack((found.column, found.stay, window))[:, order]
    starts = np.flatnonzero(np.append(True, (np.diff(groups) != 0).any(0)))
    best = np.empty_like(found.priority)
    best[order] = np.repeat(found.priority[order][starts], np.diff(np.append(starts, len(order))))
    kept = ~choosy | (found.priority == best)
    return found.rows(kept), window[kept]


def _window_hours(stays: Stays, task: Task) -> Floats:
    """Hours (N, T+1) that each window lasted; the one before time zero is a whole interval."""
    lasted = hours(stays).numpy()
    lasted = np.where(lasted > 0, lasted, task.interval)
    return np.concatenate((np.full((len(stays), 1), task.interval), lasted), 1)


def _first_state(found: Measurements, window: Ints, stays: Stays, task: Task, spec: Spec) -> tuple[Tensor, Tensor]:
    """Vitals and age (N, D) carried into the first state from the last earlier window with a measurement."""
    shape = (len(stays), len(task.features))
    midpoint, max_age = limits(spec)
    young = -found.time / HOUR < max_age.double().numpy()[found.column]
    found, window = found.rows(young), window[young]
    key = found.stay * shape[1] + found.column
    latest = np.full(shape[0] * shape[1], np.iinfo(np.int64).min)
    np.maximum.at(latest, key, window)
    last = window == latest[key]
    kinds = [rule.aggregation for rule in task.features.values()]
    value, time = _aggregate(found.rows(last), key[last], kinds, latest.size)
    value = value.reshape(shape)
    rates = [column for column, kind in enumerate(kinds) if kind == "rate"]
    value[:, rates] /= task.interval
    known = torch.from_numpy(~np.isnan(value))
    age = torch.from_numpy((-time.reshape(shape) / HOUR).astype(np.float32))
    known &= age < max_age
    vitals = torch.from_numpy(np.nan_to_num(value).astype(np.float32))
    return torch.where(known, vitals, midpoint), torch.where(known, age, max_age)


def _aggregate(found: Measurements, key: Ints, kinds: list[Aggregation], size: int) -> tuple[Floats, Ints]:
    """Aggregated value (size,), NaN where nothing was measured, and the time of the last measurement (size,)."""
    kind = np.array(kinds)[found.column]
    count = np.bincount(key, minlength=size)
    total = np.bincount(key, found.value, size)
    result = np.where(count > 0, total, np.nan)
    averaged = np.unique(key[kind == "mean"])
    result[averaged] /= count[averaged]
    for name, reduce in (("min", np.minimum), ("max", np.maximum)):
        chosen = kind == name
        result[key[chosen]] = found.value[chosen]
        reduce.at(result, key[chosen], found.value[chosen])
    last = np.full(size, np.iinfo(np.int64).min)
    np.maximum.at(last, key, found.time)
    tied = np.flatnonzero((found.time == last[key]) & (kind == "last"))
    tied = tied[np.lexsort((found.value[tied], -found.priority[tied]))]
    result[key[tied]] = found.value[tied]  # the code named first wins, and of one code the largest number
    return result, np.where(count > 0, last, 0)


def _delay(rule: FeatureRule | ContextRule) -> int:
    return round(rule.delay * HOUR)


def _entries(book: CodeBook, rules: Rules) -> NDArray[Any]:
    """Which code numbers feed which columns, sorted by number; a code feeds a column once, by its first pattern."""
    rows = []
    for column, rule in enumerate(rules.values()):
        taken: set[int] = set()
        for priority, (pattern, how) in enumerate(rule.codes.items()):
            own = [number for number in book.numbers(pattern) if number not in taken]
            taken.update(own)
            rows += [(n, column, how.factor, how.offset, priority, _delay(rule)) for n in own if not how.drop]
    kind = [("number", "i4"), ("column", "i8"), ("factor", "f8"), ("offset", "f8"), ("priority", "i8")]
    kind += [("delay", "i8")]
    return np.sort(np.array(rows, dtype=kind), order=["number", "column"])
