"""The mean rates that infusions give over the intervals between decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decision_times import interval_of
from .infusions import Infusions
from .ranges import expand
from .stays import Stays
from .task import Task


def dose(infusions: Infusions, stays: Stays, task: Task, context: NDArray[Any]) -> NDArray[np.float64]:
    """Mean rate (N, T, U) over each interval from a decision to the next, cut at the stay's end; 0 after it.

    Rates per kilogram, say, are divided by that column of the stay's `context` (N, C).
    """
    length, times = task.horizon, stays.decisions
    low = np.searchsorted(infusions.subject, stays.subject, "left").astype(np.int64)
    high = np.searchsorted(infusions.subject, stays.subject, "right").astype(np.int64)
    stay, infusion = expand(low, high)
    start = np.maximum(infusions.start[infusion], stays.time_zero[stay]) - stays.time_zero[stay]
    end = np.minimum(infusions.end[infusion], stays.end[stay]) - stays.time_zero[stay]
    running = end > start
    stay, infusion, start, end = stay[running], infusion[running], start[running], end[running]
    part, t = expand(interval_of(times, stay, start) - 1, interval_of(times, stay, end - 1))
    overlap = np.minimum(end[part], times[stay[part], t + 1]) - np.maximum(start[part], times[stay[part], t])
    key = (stay[part] * length + t) * len(task.drugs) + infusions.drug[infusion[part]]
    size = len(stays) * length * len(task.drugs)
    divisor = np.column_stack((context, np.ones(len(stays))))[stay, infusions.per[infusion]]  # the last column: none
    rate = infusions.rate[infusion] / divisor
    given = np.bincount(key, rate[part] * overlap, size).reshape(-1, length, len(task.drugs))
    mean: NDArray[np.float64] = given / np.maximum(np.diff(times, axis=1), 1)[:, :, None]
    return mean
