"""The report as one self-contained HTML page: no script, no request, light and dark, wide, narrow and on paper."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .charts import calibration
from .limits import limits
from .page_lesson import lesson_figure
from .page_model import comparison_figure, heat_maps, one_step_figure, open_loop_chart
from .page_policies import policy_rows, selection_chart
from .page_safety import violation_figures
from .ranking import rankings
from .report import Report
from .style import Values, count, like, number, opening, percent, plain, sentence, unit, words
from .wording import lesson

PAGE_FILE = "report.html"


def write_page(report: Report, path: Path | str) -> Path:
    """Write the page to `path` (a file, or a run folder); whole or not at all."""
    path = Path(path)
    return write_text(path / PAGE_FILE if path.is_dir() else path, page(report))


def page(report: Report) -> str:
    """The page as HTML."""
    charts = {
        "selection_chart": selection_chart(report),
        "behavior_chart": calibration(
            report.behavior.calibration if report.behavior else (), x_label="predicted, %", y_label="observed, %"
        ),
        "outcome_chart": calibration(
            report.simulator.outcome_calibration, x_label="predicted, %", y_label="observed, %"
        ),
        "open_loop_chart": open_loop_chart(report),
    }
    main, differences, rest = heat_maps(report)
    figures = {
        "lesson_figure": lesson_figure(report),
        "violations": violation_figures(report),
        "one_step_figure": one_step_figure(report),
        "comparison_figure": comparison_figure(report),
        "heat_maps": main,
        "heat_differences": differences,
        "more_heat_maps": rest,
    }
    return render("report.html", {**_words(report), **charts, **figures, "report": report})


def _words(report: Report) -> dict[str, object]:
    values = Values.of(report.estimand)
    outcomes, rows = _outcomes(report), policy_rows(report)
    return {
        "values": values,
        "value_name": values.name,
        "percent_values": values.percent,
        "truth": report.truth,
        "ranking": report.ranking or rankings(report.policies),
        "estimator": words(report.primary_estimator),
        "facts": _facts(report),
        "contents": _contents(report),
        "lesson": lesson(report),
        "limits": limits(report),
        "policies": rows,
        "doubted": [row for row in rows if row.headline is not None and row.headline.reasons],
        "features": [("", f) for f in report.cohort.features] + [("context", f) for f in report.cohort.context],
        "flow": _flow(report),
        "outcomes": outcomes,
        "outcomes_text": ", ".join(f"{o.name}: {o.count}" for o in outcomes),
    }


def _facts(report: Report) -> str:
    c, e = report.cohort, report.estimand
    kind = "simulated patients with a known truth" if c.simulated else "patients"
    size = f"{count(c.patients)} {kind}, {count(c.stays)} stays"
    size += f", {count(c.decisions)} decisions" if c.decisions else ""
    doses = " and ".join((d.label or d.name) for d in c.drugs)
    hours = number(e.interval_hours * e.horizon_decisions)
    every = f"every {number(e.interval_hours)} h for at most {hours} h"
    return f"{sentence(c.name) + ': ' if c.name else ''}{size}. {doses or 'Doses'}, decided {every}."


def _contents(report: Report) -> list[tuple[str, str]]:
    listed = [
        ("lesson", "Lesson", True),
        ("policies", "Policies", True),
        ("cohort", "Cohort", True),
        ("features", "Features", bool(report.cohort.features)),
        ("behaviour", "Fitted clinician", report.behavior is not None),
        ("doses", "Doses", bool(heat_maps(report)[0])),
        ("safety", "Dose limits", any(p.constraints for p in report.policies.values())),
        ("simulator", "Simulator", True),
        ("limits", "Limits", True),
        ("provenance", "Provenance", True),
    ]
    return [(anchor, title) for anchor, title, there in listed if there]


@dataclass(frozen=True)
class FlowRow:
    """One step of the cohort flow as drawn."""

    step: str
    stays: int
    left_out: int
    share: float  # percent of the first step


def _flow(report: Report) -> list[FlowRow]:
    flow = report.cohort.flow
    most = max((f.stays for f in flow), default=0) or 1
    before = (flow[0].stays, *(f.stays for f in flow)) if flow else ()
    return [
        FlowRow(f.step, f.stays, max(b - f.stays, 0), round(100 * f.stays / most, 2))
        for b, f in zip(before, flow, strict=False)
    ]


@dataclass(frozen=True)
class Outcome:
    """How many stays ended in one way."""

    name: str
    count: int
    share: float


def _outcomes(report: Report) -> list[Outcome]:
    total = sum(report.cohort.outcomes.values())
    return [Outcome(name, n, n / total) for name, n in report.cohort.outcomes.items()] if total else []


def render(template: str, context: dict[str, object]) -> str:
    """Fill a template; everything is escaped, and a missing name is an error."""
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (number, count, percent, plain, like, opening, sentence, unit, words):
        environment.filters[function.__name__] = function
    return environment.get_template(template).render(context)


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return path
