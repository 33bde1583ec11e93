"""Whether PPO-Lagrangian keeps its budgets in the true patient, and what they cost: value against limit.

`python -m posology.experiments.studies.budgets [--page docs/budgets.md]`. Policies are trained in the true patient
under budgets from lax to tight, and beside them under fixed prices, each judged on 10,000 fresh stays. Results are
kept one by one: what is already there is not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from torch import Tensor

from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...contracts import Constraint, PatientState, Policy, Step, Treatment
from ...envs import treatment
from ...envs.budgets import AmountGiven, TimeBeyond, with_costs
from ...envs.wrapped import wrap
from ...evaluation.true_value import mean_interval
from ...trajectories.rollout import rollout
from ..stages import write_text
from .budgets_figure import draw_frontiers
from .budgets_page import page

STAYS, FIRST, TRAINING = 10_000, 5 * 10**11, 6 * 10**11
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Problem:
    """A patient, one cost of a stay, the budgets it is given and the prices it is given instead."""

    name: str
    title: str
    value: str  # what the return is
    environment: str
    cost: Callable[[Treatment], Constraint]
    steps: int  # decisions to train on
    budgets: tuple[float, ...]
    prices: tuple[float, ...]  # reward per unit of cost
    action: Literal["levels", "relative"] = "levels"


def _fluid(core: Treatment) -> Constraint:
    return AmountGiven("fluid in all", core.spec.drug("fluid"), "L", 1000.0)


def _high_inr(core: Treatment) -> Constraint:
    return TimeBeyond("INR above 4", core.spec.feature("inr"), 4.0, False, "d", 24.0)


PROBLEMS = (
    Problem(
        "fluid",
        "Sepsis: fluid in all",
        "survival",
        "posology/Sepsis-v0",
        _fluid,
        200_000,
        (4.0, 2.0, 1.0),
        (0.03, 0.1),
    ),
    Problem(
        "inr",
        "Warfarin: time with an INR above 4",
        "time in therapeutic range",
        "posology/Warfarin-v0",
        _high_inr,
        500_000,
        (0.4, 0.3, 0.2),
        (0.01, 0.03),
        "relative",
    ),
)


def problem_treatment(problem: Problem) -> tuple[Treatment, int]:
    """The true patient with its hard limits enforced and the cost counted, and the column of the cost."""
    core = treatment(problem.environment, enforce=True, action=problem.action)
    counted = with_costs(core, (problem.cost(core),))
    return counted, len(counted.constraints) - 1


def priced(core: Treatment, column: int, price: float) -> Treatment:
    """The treatment with a fixed price on a cost: the ablation, in which nothing knows of a budget."""

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        done = core.step(state, action, hours, noise)
        return replace(done, reward=done.reward - price * done.costs[:, column])

    return replace(wrap(core), step=step)


def trained(problem: Problem, kind: str, level: float, seed: int) -> Policy:
    """PPO without limits, under a budget, or under a price."""
    core, column = problem_treatment(problem)
    budgets = ((core.constraints[column].name, level),) if kind == "budget" else ()
    config = MaskedPPOConfig(steps=problem.steps, budgets=budgets, first_seed=TRAINING + seed * 10**6)
    return fit_masked_ppo(priced(core, column, level) if kind == "price" else core, config, seed=seed)


def judged(problem: Problem, policy: Policy) -> dict[str, list[float]]:
    """Mean value and mean cost of a stay in the true patient, with their 95 % intervals."""
    core, column = problem_treatment(problem)
    done = rollout(core, policy, STAYS, seed=FIRST)
    value, cost = done.returns.double().numpy(), done.costs[:, :, column].double().sum(1).numpy()
    return {
        "value": [float(value.mean()), *mean_interval(value)],
        "cost": [float(cost.mean()), *mean_interval(cost)],
    }


def runs(problem: Problem) -> list[tuple[str, float, int]]:
    """Kind, level and seed of every policy of a problem."""
    budgets = [("budget", level, seed) for seed in SEEDS for level in problem.budgets]
    return [("none", 0.0, SEEDS[0]), *budgets, *(("price", level, SEEDS[0]) for level in problem.prices)]


def key(problem: Problem, kind: str, level: float, seed: int) -> str:
    """Under which a result is kept."""
    return f"{problem.name}/{kind}/{level:g}/{seed}"


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/budgets.md"),
    store: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("docs/results/budgets.json"),
    only: Annotated[str, typer.Option(help="One problem by name; none: the page from what is there.")] = "",
    most: Annotated[int, typer.Option(help="Policies to train in this call, at most.")] = 1000,
) -> None:
    """Compute what is missing and write the page with its figure."""
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    wanted = [(p, *run) for p in PROBLEMS if only in ("", p.name) for run in runs(p) if key(p, *run) not in found]
    for problem, kind, level, seed in wanted[:most]:
        name = key(problem, kind, level, seed)
        found[name] = judged(problem, trained(problem, kind, level, seed))
        store.parent.mkdir(parents=True, exist_ok=True)
        write_text(store, json.dumps(found, indent=1) + "\n")
        typer.echo(f"{name}: {found[name]}")
    figure = page_path.parent / "figures" / "budgets.png"
    figure.parent.mkdir(parents=True, exist_ok=True)
    draw_frontiers(figure, found)
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
