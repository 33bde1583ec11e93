"""Whether a task can express trajectories as events such that reading them returns the same; if not, why not."""

from __future__ import annotations

import torch

from ..contracts import DIED, DISCHARGED, IN_CARE, Trajectories
from .carry import limits, pad, valid_states
from .quantities import Quantity
from .task import Task

_SHORTEST = 1 / 60  # hours: below it, microseconds no longer resolve a float32


def check_writable(trajectories: Trajectories, task: Task) -> None:
    """ValueError, naming what does not fit, where reading the written events would not return `trajectories`."""
    if trajectories.spec != task.spec:
        raise ValueError(
            f"the trajectories' spec is not that of the task {task.name!r}; write them with their own task"
        )
    _check_task(task)
    _check_shape(trajectories, task)
    _check_values(trajectories, task)
    _check_ages(trajectories, task)


def _check_task(task: Task) -> None:
    """The first code of each rule stands for it, so it must need no conversion."""
    for name, rule in {**task.features, **task.context}.items():
        conversion = next(iter(rule.codes.values()))
        if conversion.factor != 1 or conversion.offset != 0 or conversion.drop:
            raise ValueError(f"{name}: its first code needs a conversion; put a code in the feature's own unit first")
        if rule.delay:
            raise ValueError(f"{name}: what is known with a delay cannot be written; leave the delay out")
    for name, feature in task.features.items():
        if feature.aggregation == "rate":
            raise ValueError(
                f"{name}: a feature aggregated as `rate` cannot be written; use `last` for written cohorts"
            )
    for name, drug in task.drugs.items():
        item, how = next(iter(drug.items.items()))
        if drug.by_of(item) != "rate" or how.factor != 1 or how.per is not None or how.drop is not None:
            raise ValueError(
                f"{name}: expected `by: rate` and a first item without factor, so that doses come back exact"
            )
    if task.derived:
        raise ValueError(f"{next(iter(task.derived))}: a derived feature cannot be written; write a task without it")
    if task.outcome.window is not None:
        raise ValueError("an outcome in a window cannot be written: when the patient died is not in trajectories")
    if task.decisions is not None and (task.decisions.when is not None or task.decisions.delay):
        raise ValueError("only decisions `at` codes, without a delay, can be written; name a code for them")
    if task.cohort.conditions:
        raise ValueError("a cohort with conditions cannot be written: the events that met them are not in trajectories")


def _check_shape(t: Trajectories, task: Task) -> None:
    if t.mask.shape[1] != task.horizon:
        raise ValueError(f"expected {task.horizon} decisions, the task's horizon, got {t.mask.shape[1]}")
    if bool((t.subject[1:] <= t.subject[:-1]).any()):
        raise ValueError("expected one stay per subject, sorted by subject, since a subject has one birth; sort them")
    site = task.cohort.site
    if (site is None or site.column is None) and bool((t.site != 0).any()):
        raise ValueError("expected site 0 everywhere, since the task names no site column; name one in cohort.site")
    if bool((t.site < 0).any()):
        raise ValueError("expected the number of a site, 0 or more, got an unknown one")
    if not bool((t.mask[:, 0]).all()):
        raise ValueError(f"stay {int((~t.mask[:, 0]).nonzero()[0])} has no decision; leave it out")
    _check_hours(t, task)
    for outcome, codes in (
        (DISCHARGED, task.outcome.discharged),
        (DIED, task.outcome.died),
        (IN_CARE, task.outcome.censored),
    ):
        if bool((t.outcome == outcome).any()) and not codes:
            raise ValueError(f"the task names no code for outcome {task.spec.outcomes[outcome]!r}; add one")


def _check_hours(t: Trajectories, task: Task) -> None:
    """Intervals are those of the grid, or between the least and greatest hours; the last may be cut short."""
    rule = task.decisions
    least = task.interval if rule is None else max(rule.least, _SHORTEST)
    greatest = task.interval if rule is None else rule.greatest or float("inf")
    shortest = torch.where(torch.arange(task.horizon) == t.length[:, None] - 1, _SHORTEST, least)
    wrong = t.mask & ~((t.hours >= shortest) & (t.hours <= torch.tensor(greatest)))
    if bool(wrong.any()):
        row, step = wrong.nonzero()[0].tolist()
        expected = f"{least:g}" if least == greatest else f"{least:g} to {greatest:g}"
        raise ValueError(
            f"stay {row}, decision {step}: expected {expected} hours (the last may be shorter, from a minute), "
            f"got {float(t.hours[row, step])}"
        )


def _check_values(t: Trajectories, task: Task) -> None:
    seen = t.seen & valid_states(t)[:, :, None]
    for column, (name, rule) in enumerate(task.features.items()):
        _check_bounds(name, rule, t.vitals[:, :, column][seen[:, :, column]])
    for column, (name, context) in enumerate(task.context.items()):
        _check_bounds(name, context, t.context[:, column])
        if context.kind == "presence" and not bool(((t.context[:, column] == 0) | (t.context[:, column] == 1)).all()):
            raise ValueError(f"{name}: expected 0 or 1 (present), got other numbers")
    for column, (name, drug) in enumerate(task.drugs.items()):
        highest = float(t.dose[:, :, column].max())
        if highest > torch.tensor(drug.high) or not bool((t.dose[:, :, column] >= 0).all()):
            raise ValueError(f"{name}: expected doses within 0..{drug.high:g} {drug.unit}, got up to {highest}")
        limit = next(iter(drug.items.values())).max_rate
        if limit is not None and highest > limit:
            raise ValueError(f"{name}: its first item is clipped at {limit:g}, below the highest dose {highest}")


def _check_bounds(name: str, rule: Quantity, values: torch.Tensor) -> None:
    low, high = torch.tensor(rule.low), torch.tensor(rule.high)
    wrong = ~((values >= low) & (values <= high))  # catches NaN as well
    if bool(wrong.any()):
        raise ValueError(
            f"{name}: expected values within {rule.low:g}..{rule.high:g} {rule.unit}, got {float(values[wrong][0])}; "
            "such a value is read as a charting error"
        )


def _check_ages(t: Trajectories, task: Task) -> None:
    """Values carried into the first state are older than one interval: a younger one would count as seen."""
    _, max_age = limits(task.spec)
    age = t.age[:, 0]
    wrong = ~t.seen[:, 0] & (age <= task.interval) & (age < max_age)
    if bool(wrong.any()):
        row, column = wrong.nonzero()[0].tolist()
        name = task.spec.features[column].name
        raise ValueError(
            f"stay {row}: {name} is not seen in the first state, yet its age is {float(age[row, column])} h; expected "
            f"more than one interval ({task.interval:g} h), or max_age where never measured"
        )
    if any(not torch.equal(a, b) for a, b in ((t.vitals, pad(t).vitals), (t.dose, pad(t).dose), (t.age, pad(t).age))):
        raise ValueError("expected canonical padding after the end of each stay; apply carry.pad")
