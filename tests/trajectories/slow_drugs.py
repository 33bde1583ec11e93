"""Doses the slow and plain way: every item's infusions by walking through its events."""

from __future__ import annotations

import math

import pandas as pd
from posology.trajectories.codes import covers
from posology.trajectories.task import Task

HOUR, SECOND = 3_600_000_000, 1_000_000  # microseconds


def codes(frame: pd.DataFrame, patterns) -> pd.DataFrame:
    wanted = [code for code in frame.code.unique() if any(covers(p, code) for p in patterns)]
    return frame[frame.code.isin(wanted)]


def running_rates(events: pd.DataFrame, drug, task: Task, context: dict[str, float]) -> list:
    """(start, end, rate in the drug's unit) of everything given; without a context, not yet per kilogram."""
    found = []
    for item, how in drug.items.items():
        if how.drop is None:
            speed = HOUR / SECOND if drug.by_of(item) == "bolus" else 1.0
            divisor = context[how.per] if how.per and context else 1.0
            limit = how.max_rate or math.inf
            rows = reference_infusions(events, drug, item, task)
            found += [(b, e, min(value, limit) * how.factor * speed / divisor) for b, e, value in rows if value >= 0]
    return found


def reference_changes(events: pd.DataFrame, task: Task) -> list[float]:
    """When the total rate of a drug changed: by comparing it just after and just before each start and end."""
    found = set()
    for drug in task.drugs.values():
        running = running_rates(events, drug, task, {})
        for moment in {t for b, e, _ in running for t in ((b, e) if e - b > SECOND else (b,))}:
            long = [(b, e, r) for b, e, r in running if e - b > SECOND]
            before = sum(r for b, e, r in long if b < moment <= e)
            after = sum(r for b, e, r in long if b <= moment < e)
            after += sum(r for b, e, r in running if e - b <= SECOND and b == moment)
            if abs(after - before) > 1e-9 * max(after, before):
                found.add(moment)
    return sorted(found)


def reference_infusions(events: pd.DataFrame, drug, item: str, task: Task) -> list[tuple[float, float, float]]:
    """(start, end, charted number) of one item."""
    by = drug.by_of(item)
    timed = events.dropna(subset="time")
    if by == "bolus":
        return [(row.time, row.time + SECOND, row.value) for row in codes(timed, [drug.starts(item)]).itertuples()]
    return reference_rows(timed, drug, item, task) if by == "rows" else reference_pairs(timed, drug, item)


def reference_rows(timed: pd.DataFrame, drug, item: str, task: Task) -> list[tuple[float, float, float]]:
    group = [
        i for i, how in drug.items.items() if drug.by_of(i) == "rows" and how.ends(i) == drug.items[item].ends(item)
    ]
    owner = {code: next((n for n, i in enumerate(group) if covers(drug.starts(i), code)), -1) for code in timed.code}
    rows = [(row.time, -owner[row.code], row.Index, row.value) for row in timed.itertuples() if owner[row.code] >= 0]
    rows = sorted(rows, key=lambda row: row[:2])
    stops = codes(timed, [*task.outcome.discharged, *task.outcome.died, *task.outcome.censored]).time
    found = []
    for n, (time, place, _, value) in enumerate(rows):
        ends = [time + drug.open_hours * HOUR, *(row[0] for row in rows[n + 1 : n + 2]), *stops[stops > time]]
        if group[-place] == item:
            found.append((time, min(ends), value))
    return found


def reference_pairs(timed: pd.DataFrame, drug, item: str) -> list[tuple[float, float, float]]:
    """Starts and ends, with a queue of what is running."""
    starts = sorted(codes(timed, [drug.starts(item)])[["time"]].itertuples(index=True))
    walk = [(row.time, 0, row.Index) for row in starts]
    walk += [(row.time, 1, row.Index) for row in codes(timed, [drug.ends(item)]).itertuples()]
    walk.sort()
    amount = drug.by_of(item) == "amount"
    found, running = [], []
    for when, kind, index in walk:
        if kind == 0:
            running.append((when, index))
        elif running:
            begin, opened = running.pop(0)
            found.append((begin, when, timed.value[index] if amount else timed.value[opened]))
        elif amount:
            found.append((when, when, timed.value[index]))
    if amount:
        return [(b, max(e, b + SECOND), amount / ((max(e, b + SECOND) - b) / HOUR)) for b, e, amount in found]
    begun = [when for when, kind, _ in walk if kind == 0]
    for begin, opened in running:
        position = [i for w, k, i in walk if k == 0].index(opened)
        limit = begun[position + 1] if position + 1 < len(begun) else math.inf
        found.append((begin, min(limit, begin + drug.open_hours * HOUR), timed.value[opened]))
    return found
