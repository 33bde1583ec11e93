"""The studies of budgets, deferral and readable policies: their parts, and pages and figures from made-up results."""

import pytest
import torch
from posology.agents.greedy import GreedyPolicy
from posology.agents.mlp import MLP
from posology.contracts import Blend
from posology.envs.budgets import with_costs
from posology.envs.deferral import DoseDeferral
from posology.envs.shield import shield
from posology.experiments.studies import budgets, budgets_page, dead_ends, deferral, deferral_page, interpretable_page
from posology.experiments.studies.budgets_figure import draw_frontiers
from posology.experiments.studies.deferral_figure import draw_curves
from posology.experiments.studies.interpretable import AnyOf
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.trajectories.rollout import rollout


def test_a_price_takes_from_the_reward_what_a_stay_costs() -> None:
    core, column = budgets.problem_treatment(budgets.PROBLEMS[0])
    free, priced = (rollout(env, SepsisClinician(), 40) for env in (core, budgets.priced(core, column, 0.1)))
    cost = free.costs[:, :, column].sum(1)
    assert float(cost.mean()) > 0.5
    torch.testing.assert_close(priced.returns, free.returns - 0.1 * cost)


def test_every_policy_of_a_study_has_a_key_of_its_own() -> None:
    keys = [budgets.key(problem, *run) for problem in budgets.PROBLEMS for run in budgets.runs(problem)]
    assert len(keys) == len(set(keys)) and {key.split("/")[1] for key in keys} == {"none", "budget", "price"}


def test_decisions_handed_back_are_counted_and_are_the_clinicians() -> None:
    core = deferral.truth()

    def fluid(state, dose, hours):
        return dose[:, 0]

    rule = DoseDeferral(fluid, 100.0)
    guarded = shield(core, fallback=SepsisClinician(), fallback_name="clinician", deferral=rule)
    counted = with_costs(guarded, (deferral.HandedBack(rule, core),))
    done = rollout(counted, Blend(SepsisClinician(), SepsisClinician(), 1.0), 60, seed=3)
    asked = done.intended[:, :, 0][done.decisions.mask]
    share = float(done.attempted[:, :, -1][done.decisions.mask].mean())
    assert share == pytest.approx(float((asked > 100).float().mean())) and 0.1 < share < 0.9
    assert all(not c.hard for c in counted.constraints)


def test_any_of_a_set_gives_nothing_outside_it() -> None:
    critic = GreedyPolicy(MLP(((torch.eye(4), torch.zeros(4)),)))
    obs = torch.tensor([[1.0, 0.97, 0.2, 0.0]])
    assert AnyOf(critic, 0.05).probs(obs, None).tolist() == [[0.5, 0.5, 0.0, 0.0]]
    assert AnyOf(critic, 0.0).probs(obs, None).tolist() == [[1.0, 0.0, 0.0, 0.0]]


def interval(value: float, half: float = 0.01) -> list[float]:
    return [value, value - half, value + half]


def test_the_budgets_page_says_who_kept_theirs(tmp_path) -> None:
    def one(cost: float) -> dict[str, list[float]]:
        return {"value": interval(0.8), "cost": interval(cost)}

    found = {"fluid/none/0/0": one(5.0), "fluid/budget/2/0": one(1.9), "fluid/budget/2/1": one(2.005)}
    found |= {"fluid/budget/1/0": one(1.2), "fluid/price/0.1/0": one(3.0)}
    text = budgets_page.page(found)
    assert "Of 3 policies under a budget, 2 keep it within their interval" in text
    assert "for 1 the whole interval lies within" in text
    assert "| budget 1 | 0 | 1.20 (1.19 to 1.21) | 0.800 (0.790 to 0.810) | no |" in text
    assert "| budget 2 | 1 | 2.00 (1.99 to 2.01) | 0.800 (0.790 to 0.810) | in interval |" in text
    draw_frontiers(tmp_path / "budgets.png", found)
    assert (tmp_path / "budgets.png").stat().st_size > 10_000


def test_the_deferral_page_shows_each_share_beside_chance(tmp_path) -> None:
    def one(value: float) -> dict[str, list[float]]:
        limits = {"fluid limit": interval(0.02), "norepinephrine limit": interval(0.05)}
        return {"value": interval(value), "hours": interval(9.0), **limits}

    found = {"clinician": one(0.8), "unpenalised": one(0.5), "penalised": one(0.87)}
    row = {"share": 0.31, "limit": 0.2, "by": one(0.7), "random": one(0.6), "gain": interval(0.1)}
    found |= {f"{policy}/{measure}/0.3": row for policy in ("unpenalised", "penalised") for measure in ("doubt",)}
    text = deferral_page.page(found)
    assert text.count("| doubt alone | 31 % | 0.700 (0.690 to 0.710) | 0.600 | +0.100 (+0.090 to +0.110)") == 2
    assert "0.700: more than the policy alone (0.500), less than the clinician alone (0.800)" in text
    assert "0.700, no more than the policy alone (0.870)" in text
    draw_curves(tmp_path / "deferral.png", found)
    assert (tmp_path / "deferral.png").stat().st_size > 10_000


def test_the_page_of_trees_prints_rules_and_differences() -> None:
    rules = [
        {"depth": 0, "answer": "", "doses": (), "share": None, "probability": None},
        {"depth": 1, "answer": "INR ≤ 2.4", "doses": (5.0,), "share": 0.4, "probability": 0.6},
        {"depth": 1, "answer": "INR > 2.4", "doses": (2.5,), "share": 0.6, "probability": 0.7},
    ]
    tree = {"depth": 2, "leaves": 2, "fidelity": 0.5, "value": interval(0.6), "difference": interval(-0.05)}
    part = {"policy": interval(0.65), "clinician": interval(0.55), "trees": [tree], "rules": rules}
    text = interpretable_page.page({"warfarin": part | {"drugs": [["Warfarin", "mg/d"]]}})
    assert "| tree of 2 questions | 2 | 50 % | 0.600 (0.590 to 0.610) | -0.050 (-0.060 to -0.040) |" in text
    assert "| INR > 2.4 | 2.5 | 60.0 % | 70 % |" in text


def test_the_page_of_dead_ends_sets_what_was_learned_beside_what_is_exact() -> None:
    def row(area: float) -> dict[str, float]:
        shares = {"found": 0.8, "false": 0.05, "error": 0.06, "mean": 0.17, "exact": 0.11}
        return {"area": area, "clinician": 0.7861, "best": 0.8739, **shares}

    found = {"free": row(1.0), "exact": row(1.0), "0/0": row(0.741), "8/0": row(0.951)}
    text = dead_ends.page(found)
    assert "| learned, 8 sweeps (the default) | 0.951 | 80 % | 5 % | 0.060 | 0.170 | 0.7861 | 0.8739 |" in text
    assert text.index("0.741") < text.index("0.951") and "| exact | 1 | 100 % | 0 % | 0 | 0.110 |" in text
