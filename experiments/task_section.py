"""The section of a report that defines the decision problem: who, when, what is known and done, what counts."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..contracts import Drug, Trajectories
from ..evaluation.duration import duration
from ..evaluation.report import DoseLevel, Estimand, Fact, TaskReport
from ..trajectories.cohort_rule import Condition
from ..trajectories.task import Task


def task_section(task: Task, stays: Trajectories, estimand: Estimand) -> TaskReport:
    """The task of a run, and how often each dose level was given in its cohort."""
    counts = estimand.reward[:1].upper() + estimand.reward[1:]
    answers = {
        "Who": _who(task),
        "Time zero": "One second after the anchor and every condition have happened; inclusion looks no further.",
        "When a decision is made": _when(task),
        "What is known at a decision": _state(task),
        "What may be chosen": _actions(task),
        "What counts": f"{counts}; discount {estimand.discount:g} per decision.",
        "How a stay ends": _end(task),
        "Computed features": _derived(task),
        "Missing values": "Carried forward with their age, up to each feature’s limit; never measured reads as the "
        "middle of the reference range, marked as not seen. Nothing is imputed from other patients.",
        "Scaling": "By reference ranges written in the task, never by the cohort: held-out patients leave no trace.",
    }
    return TaskReport(
        name=task.name,
        description=" ".join(task.description.split()),
        facts=tuple(Fact(name=name, text=text) for name, text in answers.items() if text),
        levels=tuple(level for u, drug in enumerate(stays.spec.drugs) for level in _levels(drug, u, stays)),
    )


def _who(task: Task) -> str:
    cohort = task.cohort
    text = f"{cohort.label[:1].upper()}{cohort.label[1:]}, anchored at {_listed(cohort.anchor)}"
    if cohort.min_age is not None:
        text += f", aged {cohort.min_age:g} or more"
    text += "; the first stay of each patient" if cohort.stays == "first" else ""
    text += f"; at least {cohort.min_gap:g} h after the last one" if cohort.min_gap is not None else ""
    conditions = "; ".join(_condition(c) for c in cohort.conditions)
    return text + (f". All of: {conditions}." if conditions else ".")


def _condition(condition: Condition) -> str:
    low, high = condition.hours
    return f"{condition.label} (from {low:g} to {high:g} h of the anchor)"


def _when(task: Task) -> str:
    most = f"at most {task.horizon} decisions"
    rule = task.decisions
    if rule is None:
        return f"Every {duration(task.interval)} from time zero, {most} ({duration(task.interval * task.horizon)})."
    text = "Whenever a dose changed" if rule.when else f"At {_listed(rule.at)}"
    text += f", {rule.delay:g} h after it" if rule.delay else ""
    text += f"; at least {rule.least:g} h apart" if rule.least else ""
    text += f"; after {rule.greatest:g} h at the latest" if rule.greatest is not None else ""
    return f"{text}; {most}."


def _state(task: Task) -> str:
    spec = task.spec
    text = f"{len(spec.features)} measured features, each with its age and whether it is new"
    text += f"; {len(spec.context)} facts of admission" if spec.context else ""
    delayed = [rule.delay for rule in (*task.features.values(), *task.context.values()) if rule.delay]
    text += "; the last and the total dose of each drug; time since admission and time left. "
    text += "Only events strictly before the decision count"
    return text + (f", results up to {max(delayed):g} h after their sample." if delayed else ".")


def _derived(task: Task) -> str:
    told = [f"{name.replace('_', ' ')} from {', '.join(rule.of)}" for name, rule in task.derived.items()]
    return "; ".join(told) + ", each from values of the same state." if told else ""


def _actions(task: Task) -> str:
    drugs = task.spec.drugs
    text = ", ".join(f"{len(d.levels)} levels of {(d.label or d.name).lower()}" for d in drugs if d.levels)
    return f"One of {task.spec.actions} combinations: {text}." if len(drugs) > 1 else f"One of {text}."


def _end(task: Task) -> str:
    outcome = task.outcome
    text = f"Death ({_listed(outcome.died)}"
    text += f", counted up to {outcome.died_within:g} h after the stay" if outcome.died_within else ""
    text += f", wherever it was, up to {outcome.window:g} h after time zero" if outcome.window is not None else ""
    text += f"), discharge ({_listed(outcome.discharged)}) or the horizon"
    return text + (f"; censored at {_listed(outcome.censored)}." if outcome.censored else ".")


def _listed(codes: Iterable[str]) -> str:
    return " or ".join(codes) or "nothing"


def _levels(drug: Drug, column: int, stays: Trajectories) -> list[DoseLevel]:
    """Edges and counts of the levels of one drug."""
    given = stays.dose[..., column][stays.mask].contiguous()
    counts = torch.bincount(
        torch.bucketize(given, torch.tensor(drug.cuts, dtype=given.dtype)), minlength=len(drug.levels)
    )
    edges = (None, *drug.cuts, None)
    return [
        DoseLevel(
            drug=drug.label or drug.name,
            dose=dose,
            above=edges[i],
            up_to=edges[i + 1],
            decisions=int(counts[i]),
            share=float(counts[i] / max(1, len(given))),
        )
        for i, dose in enumerate(drug.levels)
    ]
