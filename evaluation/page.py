"""The report as one self-contained HTML page: no script, no request, light and dark, wide, narrow and on paper."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import checklist
from .charts import calibration
from .duration import duration
from .limits import limits
from .page_agreement import agreement_rows, agreement_text
from .page_cohort import HIDDEN_NOTE, anything_hidden, flow_rows, outcomes, unknown_outcomes
from .page_external import transfer_figure
from .page_fidelity import fidelity_table
from .page_lesson import lesson_figure
from .page_model import comparison_figure, heat_maps, one_step_figure, open_loop_chart
from .page_policies import policy_rows, selection_chart
from .page_safety import violation_figures
from .page_sensitivity import doubts, scale
from .page_sites import site_rows, site_text
from .page_spread import mortality_figure, spread_rows, tail_figure
from .page_subgroups import subgroup_estimates, subgroup_figure
from .page_support import action_rows, propensity_rows, support_chart
from .page_tree import tree_table
from .page_weights import wanted, weights_rows, weights_steps
from .ranking import rankings
from .report import Report
from .style import Values, count, like, number, opening, percent, plain, sentence, unit, words
from .summary import summary
from .text_files import write_text
from .wording import lesson

PAGE_FILE = "report.html"


def write_page(report: Report, path: Path | str) -> Path:
    """Write the page to `path` (a file, or a run folder); whole or not at all."""
    path = Path(path)
    return write_text(path / PAGE_FILE if path.is_dir() else path, page(report))


def _somebody_died(report: Report) -> bool:
    return any(part.observed for part in report.simulator.outcome_calibration)


def page(report: Report) -> str:
    """The page as HTML."""
    charts = {
        "selection_chart": selection_chart(report),
        "behavior_chart": calibration(
            report.behavior.calibration if report.behavior else (), x_label="predicted, %", y_label="observed, %"
        ),
        "outcome_chart": calibration(
            report.simulator.outcome_calibration if _somebody_died(report) else (),
            x_label="predicted, %",
            y_label="observed, %",
        ),
        "open_loop_chart": open_loop_chart(report),
        "support_chart": support_chart(report),
    }
    (main, differences, rest), away = heat_maps(report), report.external
    figures = {
        "lesson_figure": lesson_figure(report),
        "violations": violation_figures(report),
        "one_step_figure": one_step_figure(report),
        "fidelity": fidelity_table(
            report, (*report.simulator.one_step, *report.simulator.open_loop), report.simulator.model
        ),
        "transfer_figure": transfer_figure(report),
        "external_comparison": comparison_figure(away.comparisons) if away else None,
        "external_fidelity": fidelity_table(report, away.errors, report.simulator.model) if away else None,
        "subgroup_figure": subgroup_figure(report),
        "subgroup_estimates": subgroup_estimates(report),
        "propensities": propensity_rows(report),
        "action_rows": action_rows(report),
        "site_rows": site_rows(report),
        "site_text": site_text(report),
        "weights_rows": weights_rows(report),
        "weights_steps": weights_steps(report),
        "weights_wanted": wanted(),
        "comparison_figure": comparison_figure(report.simulator.comparisons),
        "tree_table": tree_table(report),
        "heat_maps": main,
        "heat_differences": differences,
        "more_heat_maps": rest,
    }
    return render("report.html", {**_words(report), **charts, **figures, **_estimated(report), "report": report})


def _estimated(report: Report) -> dict[str, object]:
    """What held-out records say beyond the policies' values."""
    return {
        "agreement_rows": agreement_rows(report),
        "agreement_text": agreement_text(report),
        "doubts": doubts(report),
        "known_scale": scale(report),
        "spread_figures": [f for f in (mortality_figure(report), tail_figure(report)) if f],
        "spread_rows": spread_rows(report),
    }


def _words(report: Report) -> dict[str, object]:
    values = Values.of(report.estimand)
    ended, rows = outcomes(report), policy_rows(report)
    return {
        "values": values,
        "value_name": values.name,
        "percent_values": values.percent,
        "truth": report.truth,
        "ranking": report.ranking or rankings(report.policies),
        "estimator": words(report.primary_estimator),
        "held_out": _held_out(report),
        "facts": _facts(report),
        "contents": _contents(report),
        "shown": [anchor for anchor, _ in _contents(report)],
        "lesson": lesson(report),
        "summary": summary(report),
        "checklist": checklist.rows(report),
        "limits": limits(report),
        "policies": rows,
        "doubted": [row for row in rows if row.headline is not None and row.headline.reasons],
        "features": [("", f) for f in report.cohort.features] + [("context", f) for f in report.cohort.context],
        "flow": flow_rows(report),
        "outcomes": ended,
        "outcomes_text": ", ".join(f"{o.name}: {count(o.count)}" for o in ended),
        "unknown_outcomes": unknown_outcomes(report),
        "hidden_note": HIDDEN_NOTE if anything_hidden(report) else "",
    }


def _held_out(report: Report) -> str:
    split = report.cohort.splits.get("held_out")
    return "" if split is None or split.stays is None else f", of {count(split.stays)} held-out stays"


def _facts(report: Report) -> str:
    c, e = report.cohort, report.estimand
    kind = "simulated patients with a known truth" if c.simulated else "patients"
    size = f"{count(c.patients)} {kind}, {count(c.stays)} stays"
    size += f", {count(c.decisions)} decisions" if c.decisions else ""
    doses = " and ".join((d.label or d.name) for d in c.drugs)
    every = f"{e.rhythm} for at most {duration(e.interval_hours * e.horizon_decisions)}"
    name = sentence(c.name) if c.simulated else c.name
    return f"{name + ': ' if name else ''}{size}. {doses or 'Doses'}, decided {every}."


def _contents(report: Report) -> list[tuple[str, str]]:
    return [(anchor, title) for anchor, title in checklist.TITLES.items() if checklist.has(report, anchor)]


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
    for function in (duration, number, count, percent, plain, like, opening, sentence, unit, words):
        environment.filters[function.__name__] = function
    return environment.get_template(template).render(context)
