"""Kinds of constraints: what they permit, what they make of what they forbid, and what they cost."""

import pytest
import torch
from posology.contracts import Drug, Feature, PatientState, Spec
from posology.envs.change_limit import StepLimit
from posology.envs.score_limits import ScoreLimit, behavior_support, dead_end, tail_risk
from posology.envs.state_rules import When, festor_rules
from posology.envs.withheld import Withheld

SPEC = Spec(
    (Feature("map", "mmHg", 0.0, 300.0, (60.0, 90.0)), Feature("cvp", "mmHg", -5.0, 40.0, (2.0, 12.0), max_age=8.0)),
    (
        Drug("fluid", "mL/h", 8000.0, (0.0, 37.5, 150.0, 375.0, 650.0), (12.5, 75.0, 250.0, 500.0)),
        Drug("norepinephrine", "ug/kg/min", 2.0, (0.0, 0.03, 0.07, 0.14, 0.30), (0.0, 0.05, 0.10, 0.20)),
    ),
)


def state(pressure, venous=6.0, *, last=(0.0, 0.0), total=0.0, hours=8.0, age=0.0, rows=1):
    one = torch.ones(rows, 1)
    return PatientState(
        vitals=torch.tensor([[pressure, venous]]).expand(rows, -1),
        seen=one.expand(-1, 2) > 0,
        age=torch.tensor([[0.0, age]]).expand(rows, -1),
        memory=one,
        belief=one[:, :0],
        context=one[:, :0],
        hours=one[:, 0] * hours,
        last_dose=torch.tensor([last]).expand(rows, -1),
        total_dose=torch.tensor([[total, 0.0]]).expand(rows, -1),
        outcome=torch.zeros(rows, dtype=torch.int64),
    )


def judged(constraint, at, *doses):
    """Permitted, projected and cost of each dose in the same state."""
    dose = torch.tensor(doses)
    rows = at.rows(torch.zeros(len(dose), dtype=torch.int64))
    hours = torch.full((len(dose),), 4.0)
    return (
        constraint.permits(rows, dose, hours).tolist(),
        constraint.project(rows, dose, hours),
        constraint.cost(rows, dose, hours, rows).tolist(),
    )


def test_the_published_rules_by_name_and_number():
    a, b, c, d = festor_rules(SPEC)
    assert [rule.name[0] for rule in (a, b, c, d)] == ["A", "B", "C", "D"]
    permitted, instead, cost = judged(a, state(54.9), (0.0, 0.0), (20.0, 0.0), (20.1, 0.0), (0.0, 0.01))
    assert permitted == [False, False, True, True] and cost == [1, 1, 0, 0]
    assert instead[0].tolist() == pytest.approx([0.0, 0.03]) and instead[3].tolist() == pytest.approx([0.0, 0.01])
    assert judged(a, state(55.0), (0.0, 0.0))[0] == [True]
    permitted, instead, _ = judged(b, state(95.1), (0.0, 0.65), (0.0, 0.66))
    assert permitted == [True, False] and instead[1].tolist() == pytest.approx([0.0, 0.65])
    assert judged(b, state(95.0), (0.0, 2.0))[0] == [True]
    permitted, instead, _ = judged(c, state(55.0, 5.0), (0.0, 0.3), (1.0, 0.0))
    assert permitted == [False, True] and instead[0].tolist() == pytest.approx([37.5, 0.3])
    full = state(75.0, 15.0, total=10_001.0)
    assert judged(d, full, (240.0, 0.0), (241.0, 0.0))[0] == [True, False]
    assert judged(d, state(75.0, 15.0, total=9_999.0), (650.0, 0.0))[0] == [True]


def test_rules_need_what_they_speak_of_to_be_measured():
    without = Spec(SPEC.features[:1], SPEC.drugs)
    assert [rule.name[0] for rule in festor_rules(without)] == ["A", "B"]
    stale = state(50.0, 2.0, age=8.0)  # central venous pressure was last seen at its oldest age
    assert judged(festor_rules(SPEC)[2], stale, (0.0, 0.0))[0] == [True]
    assert bool(When(1, 5.0, True, 8.0).holds(state(50.0, 2.0)))


def test_a_change_is_bounded_and_stopping_is_always_allowed():
    limit = StepLimit("change", 1, 0.1, "ug/kg/min")
    before = state(60.0, last=(0.0, 0.3))
    permitted, instead, cost = judged(limit, before, (0.0, 0.0), (0.0, 0.15), (0.0, 0.2), (0.0, 0.4), (0.0, 0.9))
    assert permitted == [True, False, True, True, False]
    assert instead[:, 1].tolist() == pytest.approx([0.0, 0.2, 0.2, 0.4, 0.4])
    assert cost == pytest.approx([0, 0.05, 0, 0, 0.5])
    assert judged(limit, state(60.0, hours=0.0), (0.0, 0.9))[0] == [True]


class Looked:
    """A treatment that shows pressure and knows four actions."""

    actions = 4

    def observe(self, at):
        return at.vitals[:, :1]

    def encode(self, at, dose):
        return (dose[:, 1] > 0).long() + 2 * (dose[:, 0] > 0).long()

    def decode(self, at, action):
        return torch.stack([100.0 * (action // 2), 0.1 * (action % 2)], 1)


class Clinicians:
    def probs(self, obs, allowed):
        assert allowed is None
        return torch.tensor([[0.9, 0.06, 0.03, 0.01]]).expand(len(obs), -1)


def test_support_keeps_what_clinicians_do_and_always_something():
    rule = behavior_support(Looked(), Clinicians(), 0.05)
    assert rule.table(state(60.0)).tolist() == [[True, True, False, False]]
    permitted, instead, cost = judged(rule, state(60.0), (0.0, 0.1), (100.0, 0.0))
    assert permitted == [True, False] and cost == pytest.approx([0, 0.02], abs=1e-6)
    assert instead[1].tolist() == [0, 0]
    assert behavior_support(Looked(), Clinicians(), 0.95).table(state(60.0)).tolist() == [[True, False, False, False]]
    with pytest.raises(ValueError, match="between 0 and 1"):
        behavior_support(Looked(), Clinicians(), 0.0)


def test_dead_ends_and_tails_are_scores_with_a_least_one():
    def death(obs):
        return torch.tensor([[0.9, 0.3, 0.2, 0.1]]).expand(len(obs), -1)

    assert dead_end(Looked(), death).table(state(60.0)).tolist() == [[False, False, True, True]]
    assert dead_end(Looked(), death, 0.05).table(state(60.0)).tolist() == [[False, False, False, True]]
    assert tail_risk(Looked(), death, 0.5).unit == "expected loss in the tail"

    class Continuous(Looked):
        actions = None

    with pytest.raises(ValueError, match="discrete"):
        ScoreLimit("s", "u", 1.0, death, Continuous())


def test_a_drug_is_withheld_below_or_above_a_bound():
    low, high = Withheld("low", 0, 60.0, 0, "mL/h"), Withheld("high", 0, 60.0, 0, "mL/h", above=True)
    for rule, pressure in ((low, 59.0), (high, 61.0)):
        permitted, instead, cost = judged(rule, state(pressure), (5.0, 0.2), (0.0, 0.2))
        assert permitted == [False, True] and cost == [5, 0]
        assert instead.tolist() == [[0, pytest.approx(0.2)], [0, pytest.approx(0.2)]]
        assert judged(rule, state(60.0), (5.0, 0.2))[0] == [True]
