"""Reading records the slow and plain way: one stay at a time, events as a data frame, every rule written out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from posology.trajectories.carry import valid_states
from posology.trajectories.codes import covers
from posology.trajectories.records import Records
from posology.trajectories.task import Task

HOUR, SECOND = 3_600_000_000, 1_000_000  # microseconds


def codes(frame: pd.DataFrame, patterns) -> pd.DataFrame:
    wanted = [code for code in frame.code.unique() if any(covers(p, code) for p in patterns)]
    return frame[frame.code.isin(wanted)]


def reference(frame: pd.DataFrame, task: Task) -> list[dict]:
    """The stays that the task describes, as dictionaries of arrays."""
    stays = []
    for subject, events in frame.groupby("subject"):
        anchors = sorted(set(codes(events, task.cohort.anchor).time.dropna()))
        for anchor, following in zip(anchors, [*anchors[1:], math.inf], strict=True):
            stay = reference_stay(events, task, anchor, following)
            if stay is not None:
                stays.append({"subject": subject, **stay})
    return stays


def reference_stay(events: pd.DataFrame, task: Task, anchor: float, following: float) -> dict | None:
    def first(patterns) -> float:
        times = codes(events, patterns).time
        times = times[(times > anchor) & (times <= following)]
        return times.min() if len(times) else math.inf

    died, discharged, censored = map(first, (task.outcome.died, task.outcome.discharged, task.outcome.censored))
    end = min(died, discharged, censored)
    if end == math.inf:
        return None
    outcome = 2 if died - end <= task.outcome.died_within * HOUR else 1 if discharged == end else 0
    zero = anchor
    for condition in task.cohort.conditions:
        hits = []
        for sign in condition.any:
            hit = codes(events, sign.codes)
            hit = hit.assign(time=hit.time + sign.delay * HOUR)
            hit = hit if sign.above is None else hit[hit.value > sign.above]
            hits += list((hit if sign.below is None else hit[hit.value < sign.below]).time)
        low, high = anchor + condition.hours[0] * HOUR, anchor + condition.hours[1] * HOUR
        hits = [t for t in hits if low <= t < high and t < end]
        if not hits:
            return None
        zero = max(zero, min(hits))
    zero += SECOND
    births = codes(events, task.cohort.birth).time.dropna()
    if task.cohort.min_age and (births.empty or (zero - births.min()) / HOUR / 24 / 365.25 < task.cohort.min_age):
        return None
    if zero >= end:
        return None
    times = reference_times(events, task, zero, end)
    outcome, end = (0, times[-1]) if end > times[-1] else (outcome, end)
    return {"outcome": outcome, **reference_arrays(events, task, times)}


def reference_times(events: pd.DataFrame, task: Task, zero: float, end: float) -> list[float]:
    """When decisions are taken, and the end of the last interval."""
    rule, times = task.decisions, [zero]
    called = [] if rule is None or rule.when else sorted(codes(events, rule.at).time.dropna() + rule.delay * HOUR)
    called = reference_changes(events, task) if rule is not None and rule.when else called
    for _ in range(task.horizon):
        if rule is None:
            following = times[-1] + task.interval * HOUR
        else:
            later = [t for t in called if t > times[-1] and t >= times[-1] + rule.least * HOUR]
            following = min([*later[:1], times[-1] + (rule.greatest or math.inf) * HOUR, end])
        if following >= end:
            return [*times, end]
        times.append(following)
    return times


def reference_changes(events: pd.DataFrame, task: Task) -> list[float]:
    """When the total rate of a drug changed: by comparing it just after and just before each start and end."""
    found = set()
    for drug in task.drugs.values():
        running = [
            (b, e, min(r, how.max_rate or math.inf) * how.factor)
            for item, how in drug.items.items()
            for b, e, r in reference_infusions(events, drug, item)
        ]
        for moment in {t for b, e, _ in running for t in ((b, e) if e - b > SECOND else (b,))}:
            long = [(b, e, r) for b, e, r in running if e - b > SECOND]
            before = sum(r for b, e, r in long if b < moment <= e)
            after = sum(r for b, e, r in long if b <= moment < e)
            after += sum(r for b, e, r in running if e - b <= SECOND and b == moment)
            if abs(after - before) > 1e-9 * max(after, before):
                found.add(moment)
    return sorted(found)


def reference_arrays(events: pd.DataFrame, task: Task, times: list[float]) -> dict:
    step, zero = task.interval * HOUR, times[0]
    edges = [zero - step, *times]
    vitals, seen, age = [], [], []
    for name, rule in task.features.items():
        rows = reference_values(events, rule)
        v, s, a = [], [], []
        for before, now in zip(edges[:-1], edges[1:], strict=True):
            window = rows[(rows.time >= before) & (rows.time < now)]
            if len(window):
                v, s, a = [*v, aggregate(window, rule.aggregation, (now - before) / HOUR)], [*s, True], [*a, 0.0]
            elif not v:
                first = reference_first(rows, rule, zero, step)
                v, s, a = [first[0]], [False], [first[1]]
            else:
                older = min(a[-1] + (now - before) / HOUR, rule.max_age)
                v.append(v[-1] if older < rule.max_age else sum(rule.reference) / 2)
                s.append(False)
                a.append(older)
        vitals.append(v)
        seen.append(s)
        age.append(a)
        assert name
    given = [(d, [(*i, how) for item, how in d.items.items() for i in reference_infusions(events, d, item)])
             for d in task.drugs.values()]  # fmt: skip
    intervals = list(zip(times[:-1], times[1:], strict=True))
    dose = [[reference_dose(infusions, d.high, t, stop) for d, infusions in given] for t, stop in intervals]
    context = [reference_context(events, rule, zero) for rule in task.context.values()]
    hours = [(stop - t) / HOUR for t, stop in intervals]
    names = ("vitals", "seen", "age")
    states = {k: np.array(x).T for k, x in zip(names, (vitals, seen, age), strict=True)}
    return {**states, "dose": np.array(dose), "context": np.array(context), "hours": np.array(hours)}


def reference_values(events: pd.DataFrame, rule) -> pd.DataFrame:
    """Numbers of a rule's codes in its unit and in bounds, in time, the preferred of a tie last."""
    parts = [events.iloc[:0].assign(rank=0)]
    taken: set[str] = set()
    for rank, (pattern, how) in enumerate(rule.codes.items()):
        part = codes(events, [pattern])
        part = part[~part.code.isin(taken)]
        taken |= set(part.code)
        parts.append(part.assign(value=part.value * how.factor + how.offset, rank=-rank))
    rows = pd.concat(parts)
    rows = rows.assign(time=rows.time + rule.delay * HOUR)
    rows = rows[(rows.value >= rule.low) & (rows.value <= rule.high)]
    return rows.sort_values(["time", "rank", "value"])


def reference_first(rows: pd.DataFrame, rule, zero: float, step: float) -> tuple[float, float]:
    """What is carried into the first state: the last earlier window, as old as its last measurement."""
    rows = rows[(rows.time < zero - step) & ((zero - rows.time) / HOUR < rule.max_age)]
    if rows.empty:
        return sum(rule.reference) / 2, rule.max_age
    last = rows.time.max()
    number = math.floor((last - zero) / step)
    window = rows[(rows.time >= zero + number * step)]
    return aggregate(window, rule.aggregation, step / HOUR), (zero - last) / HOUR


def aggregate(window: pd.DataFrame, how: str, hours: float) -> float:
    if how == "last":
        return window.value.iloc[-1]
    return window.value.sum() / hours if how == "rate" else getattr(window.value, how)()


def reference_dose(infusions: list, high: float, start: float, stop: float) -> float:
    total = 0.0
    for begin, finish, rate, how in infusions:
        overlap = max(0.0, min(finish, stop) - max(begin, start))
        total += min(rate, how.max_rate or math.inf) * how.factor * overlap / (stop - start)
    return min(total, high)


def reference_infusions(events: pd.DataFrame, drug, item: str) -> list[tuple[float, float, float]]:
    """(start, end, rate) of one item, by walking through its events with a queue of what is running."""
    starts = sorted(codes(events, [drug.starts(item)]).dropna(subset="time")[["time"]].itertuples(index=True))
    walk = [(row.time, 0, row.Index) for row in starts]
    walk += [(row.time, 1, row.Index) for row in codes(events, [drug.ends(item)]).dropna(subset="time").itertuples()]
    walk.sort()
    found, running = [], []
    for when, kind, index in walk:
        if kind == 0:
            running.append((when, index))
        elif running:
            begin, opened = running.pop(0)
            found.append((begin, when, events.value[index] if drug.by == "amount" else events.value[opened]))
        elif drug.by == "amount":
            found.append((when, when, events.value[index]))
    if drug.by == "amount":
        found = [(b, max(e, b + SECOND), amount / ((max(e, b + SECOND) - b) / HOUR)) for b, e, amount in found]
    else:
        begun = [when for when, kind, _ in walk if kind == 0]
        for begin, opened in running:
            position = [i for w, k, i in walk if k == 0].index(opened)
            limit = begun[position + 1] if position + 1 < len(begun) else math.inf
            found.append((begin, min(limit, begin + drug.open_hours * HOUR), events.value[opened]))
    return [f for f in found if f[2] >= 0]


def reference_context(events: pd.DataFrame, rule, zero: float) -> float:
    if rule.kind == "presence":
        found = codes(events, rule.codes)
        return float((found.time.isna() | (found.time < zero)).any())
    if rule.kind == "years":
        times = codes(events, rule.codes).time.dropna()
        value = (zero - times.min()) / HOUR / 24 / 365.25 if len(times) else math.nan
        return value if rule.low <= value <= rule.high else sum(rule.reference) / 2
    rows = reference_values(events, rule)
    rows = rows[(rows.time < zero) & (rows.time >= zero - rule.max_age * HOUR)]
    return rows.value.iloc[-1] if len(rows) else sum(rule.reference) / 2


def assert_equal(records: Records, stays: list[dict]) -> None:
    t = records.trajectories
    assert t.subject.tolist() == [stay["subject"] for stay in stays]
    for i, stay in enumerate(stays):
        n = len(stay["hours"])
        states = n + (stay["outcome"] == 0)
        assert int(t.outcome[i]) == stay["outcome"] and int(t.length[i]) == n
        assert int(valid_states(t)[i].sum()) == states
        np.testing.assert_array_equal(t.seen[i, :states].numpy(), stay["seen"][:states])
        for name, size in (("vitals", states), ("age", states), ("dose", n), ("hours", n)):
            np.testing.assert_allclose(getattr(t, name)[i, :size].numpy(), stay[name][:size], rtol=2e-6, atol=1e-5)
        np.testing.assert_allclose(t.context[i].numpy(), stay["context"], rtol=2e-6)


def frame_of(events: list) -> pd.DataFrame:
    frame = pd.DataFrame(events, columns=["subject", "time", "code", "value"])
    return frame.astype({"time": float, "value": float})
