"""Multipliers: whole generations, errors in shares of the budget, and advantages that no unit changes."""

import dataclasses

import pytest
import torch
from posology.agents.lagrangian import Multipliers, PIDConfig, penalised

BUDGET = torch.tensor([2.0])


def steered(costs: list[float], config: PIDConfig, budget: torch.Tensor = BUDGET) -> Multipliers:
    """After one generation of ten stays for each mean cost."""
    now = Multipliers.zero(1)
    for cost in costs:
        now = now.after(10, torch.tensor([10 * cost]), budget, config, generation=10)
    return now


def test_nothing_moves_before_a_whole_generation_has_ended() -> None:
    """The short stays come first: their cheapness must not be mistaken for a policy's."""
    now = Multipliers.zero(1).after(3, torch.tensor([0.0]), BUDGET, PIDConfig(), generation=10)
    assert float(now.value) == 0 and torch.isnan(now.last).all()
    now = now.after(7, torch.tensor([30.0]), BUDGET, PIDConfig(), generation=10)
    assert float(now.last) == 3.0 and float(now.value) > 0
    assert float(now.stays) == 0 and float(now.total) == 0


def test_each_term_of_the_controller() -> None:
    only = PIDConfig(proportional=0, integral=0, derivative=0, smoothing=0, margin=0)
    over = [3.0, 3.0, 1.0]  # of 2: errors +.5, +.5, -.5
    assert float(steered(over, dataclasses.replace(only, integral=0.1)).value) == pytest.approx(0.05)
    assert float(steered(over[:2], dataclasses.replace(only, proportional=0.4)).value) == pytest.approx(0.2)
    assert float(steered(over, dataclasses.replace(only, proportional=0.4)).value) == 0
    rising = dataclasses.replace(only, derivative=1.0)
    assert float(steered([2.0, 3.0], rising).value) == pytest.approx(0.5)
    assert float(steered([3.0, 2.0], rising).value) == 0


def test_neither_units_nor_a_bad_start_matter() -> None:
    costs = torch.tensor([3.0, 2.5, 4.0, 1.0]).tolist()
    small = steered(costs, PIDConfig())
    large = steered([1000 * c for c in costs], PIDConfig(), BUDGET * 1000)
    assert float(small.value) == pytest.approx(float(large.value))
    wound = steered([1e6, 1e6], dataclasses.replace(PIDConfig(), proportional=0, derivative=0))
    assert float(wound.value) == pytest.approx(2 * PIDConfig().integral)
    assert float(steered([1.95] * 50, PIDConfig()).value) > 0, "it aims a margin below the budget"
    assert float(steered([1.85] * 50, PIDConfig()).value) == 0


def test_advantages_weigh_costs_in_standard_deviations() -> None:
    random = torch.Generator().manual_seed(0)
    advantage = torch.randn(5000, 2, generator=random)
    found = penalised(advantage, torch.tensor([1.0], dtype=torch.float64))
    assert float(found.mean()) == pytest.approx(0, abs=1e-6) and float(found.std()) == pytest.approx(1)
    torch.testing.assert_close(found, penalised(advantage * torch.tensor([0.01, 5000.0]), torch.tensor([1.0])))
    ratio = torch.linalg.lstsq(advantage, found[:, None]).solution[:, 0]
    assert float(ratio[1] / ratio[0]) == pytest.approx(-1, abs=0.05)
    without = penalised(advantage[:, :1], torch.zeros(0))
    torch.testing.assert_close(without, (advantage[:, 0] - advantage[:, 0].mean()) / advantage[:, 0].std())


def test_a_cost_that_nothing_changes_has_no_say() -> None:
    advantage = torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    advantage[:, 1] = 0.3
    found = penalised(advantage, torch.tensor([50.0]))
    torch.testing.assert_close(found, penalised(advantage[:, :1], torch.zeros(0)))


def test_the_budget_comes_down_from_what_the_first_generation_cost() -> None:
    config = PIDConfig(proportional=0, derivative=0, integral=0.1, margin=0, ease=0.5)
    now = Multipliers.zero(1)
    for done, over in ((0.0, 0.0), (0.25, 10 / 6 - 1), (0.5, 1.0)):  # of 10, then 6, then 2
        before = float(now.value)
        now = now.after(10, torch.tensor([100.0]), BUDGET, config, generation=10, done=done)
        assert float(now.value) - before == pytest.approx(0.1 * over) and now.moved
    assert not now.after(1, torch.tensor([0.0]), BUDGET, config, generation=10).moved
    assert not Multipliers.zero(1).moved
