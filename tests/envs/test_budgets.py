"""Costs that add up over a stay: amounts given, time out of range, and counting them beside a treatment's own."""

import pytest
import torch
from posology.contracts import DISCHARGED, PatientState
from posology.envs import treatment
from posology.envs.budgets import AmountGiven, TimeBeyond, with_costs
from posology.envs.constraints import DoseLimit
from posology.envs.shield import shield
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.trajectories.rollout import rollout


def state(*value: float, outcome: int = 0) -> PatientState:
    rows = len(value)
    vitals, none = torch.tensor(value)[:, None], torch.zeros(rows, 0)
    return PatientState(
        vitals=vitals,
        seen=vitals > 0,
        age=vitals * 0,
        memory=none,
        belief=none,
        context=none,
        hours=torch.zeros(rows),
        last_dose=torch.zeros(rows, 1),
        total_dose=torch.zeros(rows, 1),
        outcome=torch.full((rows,), outcome),
    )


def test_time_beyond_a_bound_runs_straight_between_decisions() -> None:
    first, last = state(70.0, 60.0, 60.0, 70.0, 65.0, 65.0), state(60.0, 70.0, 50.0, 90.0, 65.0, 61.0)
    hours, dose = torch.full((6,), 4.0), torch.zeros(6, 1)
    below = TimeBeyond("low", 0, 65.0, below=True)
    assert below.cost(first, dose, hours, last).tolist() == pytest.approx([2, 2, 4, 0, 0, 4])
    above = TimeBeyond("high", 0, 65.0, below=False, unit="d", per_hours=24.0)
    assert above.cost(first, dose, hours, last).tolist() == pytest.approx([2 / 24, 2 / 24, 0, 4 / 24, 0, 0])
    ended = state(*[50.0] * 6, outcome=DISCHARGED)
    assert below.cost(first, dose, hours, ended).tolist() == [0] * 6
    assert bool(below.permits(first, dose, hours).all()) and torch.equal(below.project(first, dose, hours), dose)


def test_amounts_add_up_to_what_was_given() -> None:
    core = treatment("posology/Sepsis-v0")
    column = core.spec.drug("fluid")
    counted = with_costs(core, (AmountGiven("fluid in all", column, "L", 1000.0),))
    done = rollout(counted, SepsisClinician(), 50)
    stays = done.trajectories
    litres = (stays.dose[:, :, column] * stays.hours).sum(1) / 1000
    torch.testing.assert_close(done.costs[:, :, -1].sum(1), litres)
    plain = rollout(core, SepsisClinician(), 50)
    assert torch.equal(plain.returns, done.returns) and torch.equal(plain.costs, done.costs[:, :, :-1])
    assert [c.name for c in counted.constraints[:-1]] == [c.name for c in core.constraints] and float(litres.max()) > 1


def test_under_a_shield_both_what_was_asked_for_and_what_was_given_are_counted() -> None:
    core = treatment("posology/Sepsis-v0")
    column = core.spec.drug("fluid")
    tight = shield(core, (DoseLimit("little fluid", column, 40.0, "mL/h"),), states=50)
    done = rollout(with_costs(tight, (AmountGiven("fluid in all", column, "L", 1000.0),)), SepsisClinician(), 50)
    assert done.attempted is not None and done.intended is not None
    asked = (done.intended[:, :, column] * done.decisions.hours).sum(1) / 1000
    torch.testing.assert_close(done.attempted[:, :, -1].sum(1), asked)
    assert float(done.costs[:, :, -1].sum()) < 0.8 * float(asked.sum())


def test_names_must_differ_and_hard_limits_are_for_the_shield() -> None:
    core = treatment("posology/Sepsis-v0")
    with pytest.raises(ValueError, match="'fluid limit' is there already"):
        with_costs(core, (AmountGiven("fluid limit", 0, "L", 1000.0),))
    with pytest.raises(ValueError, match="hard.*shield"):
        with_costs(core, (DoseLimit("no more", 0, 1.0, "mL/h"),))
