"""The limits that every report states, in plain English; which of them apply follows from the report."""

from __future__ import annotations

from .duration import duration
from .report import Report
from .style import Values, number, percent


def limits(report: Report) -> tuple[tuple[str, str], ...]:
    """(title, paragraph) pairs, the general ones first, then those of the run."""
    e = report.estimand
    told = [
        (
            "Unmeasured confounding",
            "Estimates from records assume that the recorded state holds everything that moved both the clinicians’"
            " doses and the outcome. What was seen at the bedside and never charted breaks this"
            f"{_how_far(report)}.",
        ),
        (
            "The reward is a proxy",
            f"Values count one thing only ({e.reward}), within {duration(e.horizon_decisions * e.interval_hours)}."
            " Later death, organ damage, comfort and cost are not in it.",
        ),
        (
            "Coarse doses and times",
            f"A policy chooses among fixed dose levels {e.rhythm}. Where clinicians dosed"
            " between levels or changed a dose within the interval, the record is rounded.",
        ),
        ("The simulator is a model", _simulator(report)),
        _origin(report),
        (
            "One run",
            "The numbers come from one split of the patients and one seed of the training. Intervals cover the"
            " sampling of patients; they leave out the variation between trainings.",
        ),
    ]
    return (*told, *(("This run", text) for text in report.limits))


def _how_far(report: Report) -> str:
    """What the report can say of confounding."""
    if report.sensitivity is None:
        return "; no number on this page can show by how much"
    return (
        ". How strong that would have to be at the first decision to undo a claim is told under “Hidden causes”; how"
        " strong it is, no number can show"
    )


def _simulator(report: Report) -> str:
    text = (
        "A policy trained in a learned simulator finds and exploits its errors, so its value there is a claim, and the"
        " more it departs from what clinicians did the less the claim is worth."
    )
    gaps = [
        p.simulator_value.value - p.true_value.value
        for p in report.policies.values()
        if p.simulator_value and p.true_value and p.simulator_value.value is not None and p.true_value.value is not None
    ]
    if not gaps:
        return text
    values = Values.of(report.estimand)
    return f"{text} In this run the largest error of a claim is {values.points(max(gaps, key=abs))}."


def _origin(report: Report) -> tuple[str, str]:
    if report.cohort.simulated:
        return (
            "Not patients",
            "This cohort comes from a mechanistic model with a known truth. It shows what the methods do, and where"
            " they fail, under that model’s assumptions; it says nothing about treating people.",
        )
    out = report.cohort.splits.get("held_out")
    held, size = None if out is None else out.patients, "a held-out part"
    if held is not None:
        size = f"{number(held, 0)} patients"
        size += f" ({percent(held / report.cohort.patients, 0)} of them)" if report.cohort.patients else ""
    return (
        "One source of records",
        f"All estimates rest on {size} held out from a single source. Another hospital charts, measures and treats"
        f" differently.",
    )
