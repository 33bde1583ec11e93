"""Reading records the slow and plain way: one stay at a time, events as a data frame, every rule written out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from posology.trajectories.carry import valid_states
from posology.trajectories.code_tally import variant_patterns
from posology.trajectories.records import Records, wanted_patterns
from posology.trajectories.task import Task
from slow_drugs import HOUR, SECOND, codes, reference_changes, running_rates
from slow_formulas import derive


def reference(frame: pd.DataFrame, task: Task) -> list[dict]:
    """The stays that the task describes, as dictionaries of arrays."""
    frame = frame if "site" in frame else frame.assign(site=0)
    frame = codes(frame, wanted_patterns(task) | variant_patterns(task))  # what is not read ends no stay
    stays = []
    for subject, events in frame.groupby("subject"):
        anchors = sorted(set(codes(events, task.cohort.anchor).time.dropna()))
        ended = -math.inf
        for anchor, following in zip(anchors, [*anchors[1:], math.inf], strict=True):
            end, outcome = reference_end(events, task, anchor, following)
            again = anchor > anchors[0]
            soon = again and anchor - ended < (task.cohort.min_gap or 0) * HOUR
            ended = anchor if end == math.inf else end
            if end == math.inf or soon or (again and task.cohort.stays == "first"):
                continue
            stay = reference_stay(events, task, (anchor, end, outcome))
            if stay is not None:
                stays.append({"subject": subject, **stay})
    barred = [
        p for d in task.drugs.values() for i, how in d.items.items() if how.drop == "sites" for p in d.patterns(i)
    ]
    return [stay for stay in stays if stay["site"] not in set(codes(frame, barred).site)]


def reference_end(events: pd.DataFrame, task: Task, anchor: float, following: float) -> tuple[float, int]:
    def first(patterns) -> float:
        times = codes(events, patterns).time
        times = times[(times > anchor) & (times <= following)]
        return times.min() if len(times) else math.inf

    died, discharged, censored = map(first, (task.outcome.died, task.outcome.discharged, task.outcome.censored))
    end = min(died, discharged, censored)
    if end == math.inf and task.outcome.unended == "censor":
        later = events.time[(events.time > anchor) & (events.time < following)]
        return (later.max(), 0) if len(later) else (end, 0)
    dead = died < math.inf and died - end <= task.outcome.died_within * HOUR
    return end, 2 if dead else 1 if discharged == end else 0


def reference_stay(events: pd.DataFrame, task: Task, stay: tuple[float, float, int]) -> dict | None:
    anchor, end, outcome = stay
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
    outcome = 0 if end > times[-1] else outcome
    if task.outcome.window:
        deaths = codes(events, task.outcome.died).time
        within = (deaths > anchor) & (deaths <= zero + task.outcome.window * HOUR)
        outcome = 2 if within.any() and deaths[deaths > anchor].min() <= zero + task.outcome.window * HOUR else outcome
    site = codes(events[events.time == anchor], task.cohort.anchor).site.iloc[0]
    if task.cohort.site is not None and task.cohort.site.codes:
        named = codes(events, task.cohort.site.codes)
        named = named[named.time.isna() | (named.time < zero)]
        named = named.assign(time=named.time.fillna(-math.inf)).sort_values("time", kind="stable")
        site = int(named.code.iloc[-1].split("//")[-1]) if len(named) else -1
    return {"outcome": outcome, "site": site, **reference_arrays(events, task, times)}


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


def reference_arrays(events: pd.DataFrame, task: Task, times: list[float]) -> dict:
    step, zero = task.interval * HOUR, times[0]
    edges = [zero - step, *times]
    vitals, seen, age = [], [], []
    for name, rule in task.features.items():
        rows = preferred(reference_values(events, rule), rule, edges, step)
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
    intervals = list(zip(times[:-1], times[1:], strict=True))
    context = [reference_context(events, rule, zero) for rule in task.context.values()]
    given = [(d, running_rates(events, d, task, dict(zip(task.context, context, strict=True))))
             for d in task.drugs.values()]  # fmt: skip
    dose = [[reference_dose(infusions, d.high, t, stop) for d, infusions in given] for t, stop in intervals]
    hours = [(stop - t) / HOUR for t, stop in intervals]
    names = ("vitals", "seen", "age")
    derive(task, vitals, seen, age, hours)
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
        part = part.iloc[:0] if how.drop else part
        parts.append(part.assign(value=part.value * how.factor + how.offset, rank=-rank))
    rows = pd.concat(parts)
    rows = rows.assign(time=rows.time + rule.delay * HOUR)
    rows = rows[(rows.value >= rule.low) & (rows.value <= rule.high)]
    return rows.sort_values(["time", "rank", "value"])


def preferred(rows: pd.DataFrame, rule, edges: list[float], step: float) -> pd.DataFrame:
    """Of codes that repeat each other, the first with a number in each window."""
    if rule.overlap == "pool" or rows.empty:
        return rows
    early = ((rows.time - edges[1]) // step).where(rows.time < edges[1])
    window = early.fillna(pd.Series(np.searchsorted(edges, rows.time, "right"), rows.index))
    return rows[rows["rank"] == rows["rank"].groupby(window).transform("max")]


def reference_dose(infusions: list, high: float, start: float, stop: float) -> float:
    total = sum(rate * max(0.0, min(e, stop) - max(b, start)) for b, e, rate in infusions)
    return min(total / (stop - start), high)


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


def reference_context(events: pd.DataFrame, rule, zero: float) -> float:
    if rule.kind == "presence":
        found = codes(events, rule.used)
        return float((found.time.isna() | (found.time < zero)).any())
    if rule.kind == "years":
        times = codes(events, rule.used).time.dropna()
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
        assert int(t.site[i]) == stay["site"]
        assert int(t.outcome[i]) == stay["outcome"] and int(t.length[i]) == n
        assert int(valid_states(t)[i].sum()) == states
        np.testing.assert_array_equal(t.seen[i, :states].numpy(), stay["seen"][:states])
        for name, size in (("vitals", states), ("age", states), ("dose", n), ("hours", n)):
            np.testing.assert_allclose(getattr(t, name)[i, :size].numpy(), stay[name][:size], rtol=2e-6, atol=1e-5)
        np.testing.assert_allclose(t.context[i].numpy(), stay["context"], rtol=2e-6)


def frame_of(events: list) -> pd.DataFrame:
    names = ["subject", "time", "code", "value", "site"]
    frame = pd.DataFrame(events, columns=names[: len(events[0])] if events else names[:4])
    return frame.astype({"time": float, "value": float})
