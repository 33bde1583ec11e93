"""The text of the budgets page, around its numbers."""

from __future__ import annotations

from typing import Any

from .budgets_figure import PANELS, rows_of

_HEAD = """# Budgets: costs that a policy must keep within

Made by `python -m posology.experiments.studies.budgets`, which keeps its numbers in `docs/results/budgets.json`.

A budget is what a constraint may cost a stay on average, such as litres of fluid or days with an INR above 4
(`envs/budgets.py`). On-device PPO holds it by a multiplier that a PID controller moves after every generation of stays
(`agents/lagrangian.py`; Stooke et al. 2020). Errors are shares of the budget and advantages count in their own standard
deviations, so one set of gains, the default one, serves both costs here. Over the first half of training the budget
comes down from what the first stays cost; at the end the policies of the last ten generations are tried on 1,024 fresh
stays, and the best whose mean cost, one standard error added, is within is taken (`agents/within_budget.py`).

Every policy is trained in the true patient with its hard limits enforced, then judged there on 10,000 other stays, none
of them met before. Three seeds for each budget. Warfarin is dosed by relative changes. Fixed prices in the reward, the
usual alternative, are shown beside: nobody can tell from a price what it will cost.

![Cost against budget, and value against cost](figures/budgets.png)

*Above: mean cost of a stay against its budget, bars are 95 % intervals. Below: value against cost; the diamonds are
policies without any limit.*
"""


def page(found: dict[str, Any]) -> str:
    """The page in Markdown, from what is there."""
    lines = [_HEAD, _verdict(found), ""]
    for problem, (title, unit, value) in PANELS.items():
        if rows_of(found, problem, "none"):
            lines += [*_table(found, problem, title, unit, value), ""]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(found: dict[str, Any]) -> str:
    rows = [(level, row) for problem in PANELS for level, _, row in rows_of(found, problem, "budget")]
    kept = sum(row["cost"][1] <= level for level, row in rows)
    whole = sum(row["cost"][2] <= level for level, row in rows)
    return (
        f"Of {len(rows)} policies under a budget, {kept} keep it within their interval (its lower end is no more than\n"
        f"the budget); for {whole} the whole interval lies within."
    )


def _table(found: dict[str, Any], problem: str, title: str, unit: str, value: str) -> list[str]:
    lines = [
        f"## {title}",
        "",
        f"| limit | seed | mean cost, {unit} (95 %) | {value} (95 %) | kept |",
        "|---|---:|---:|---:|---|",
    ]
    for kind, name in (("none", "none"), ("budget", "budget {:g}"), ("price", "price {:g}")):
        for level, seed, row in sorted(rows_of(found, problem, kind), key=lambda r: (-r[0], r[1])):
            cost = row["cost"]
            kept = (
                "" if kind != "budget" else "yes" if cost[2] <= level else "in interval" if cost[1] <= level else "no"
            )
            lines.append(
                f"| {name.format(level)} | {seed} | {_interval(cost, 2)} | {_interval(row['value'], 3)} | {kept} |"
            )
    return lines


def _interval(value: list[float], digits: int) -> str:
    return f"{value[0]:.{digits}f} ({value[1]:.{digits}f} to {value[2]:.{digits}f})"
