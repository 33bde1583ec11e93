"""Shaping moves rewards within a stay; over a whole stay it adds what no decision can change."""

import dataclasses

import pytest
import torch
from posology.envs import decisions
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.shaping import Severity, shaped
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout

WEIGHTS = {"map": -0.2, "lactate": 0.1}


@pytest.fixture
def core(toy):
    return DoseTreatment(toy, horizon=6)


def admitted(core, rows):
    zero = torch.zeros_like(rows)
    return core.admit(normals(rows, zero, zero, core.admit_noise_dim, stream=ADMISSION))


def test_severity_is_the_weighted_sum_of_scaled_features(core):
    severity = Severity(core.spec, WEIGHTS)
    state = admitted(core, seeds(0, 3)).replace(vitals=torch.tensor([[90.0, 5.0], [75.0, 5**0.5], [0.0, 5.0]]))
    assert severity(state).tolist() == pytest.approx([-0.2 + 0.1, 0.0, 0.2 * 5 + 0.1], abs=1e-5)


def test_a_whole_stay_earns_its_return_and_the_severity_at_admission(core, uniform):
    severity = Severity(core.spec, WEIGHTS)
    plain, felt = rollout(core, uniform, 200, seed=3), rollout(shaped(core, severity), uniform, 200, seed=3)
    assert set(plain.trajectories.outcome.tolist()) == {0, 1, 2}
    start = severity(admitted(core, seeds(3, 200)))
    assert torch.allclose(felt.returns, plain.returns + start, atol=1e-5)
    assert felt.decisions.reward[felt.decisions.mask].unique().numel() > 200, "rewards come at every decision"


def test_a_discounted_stay_does_too(core, uniform):
    severity, discount = Severity(core.spec, WEIGHTS), 0.9
    plain = rollout(core, uniform, 100, seed=5)
    felt = rollout(shaped(core, severity, discount=discount), uniform, 100, seed=5)
    weight = discount ** torch.arange(6.0)
    returns = [(r.decisions.reward * weight).sum(1) for r in (plain, felt)]
    assert torch.allclose(returns[1], returns[0] + severity(admitted(core, seeds(5, 100))), atol=1e-5)


def test_without_the_guarantee_the_last_severity_counts(core, uniform):
    severity = Severity(core.spec, WEIGHTS)
    treatment = shaped(core, severity, keeps_optimum=False)
    plain, felt = rollout(core, uniform, 100, seed=3), rollout(treatment, uniform, 100, seed=3, keep_memory=True)
    gained = felt.returns - plain.returns
    assert not torch.allclose(gained, severity(admitted(core, seeds(3, 100))), atol=0.05)
    stays = felt.trajectories
    survivors = stays.outcome == 0
    last = stays.rows(survivors.nonzero()[:, 0])
    end = admitted(core, seeds(0, len(last))).replace(vitals=last.vitals[:, -1])
    expected = severity(admitted(core, seeds(3, 100)))[survivors] - severity(end)
    assert torch.allclose(gained[survivors], expected, atol=1e-5)


def test_where_value_goes_on_beyond_the_horizon_so_does_the_potential(toy):
    severity = Severity(toy.spec, WEIGHTS)
    core = DoseTreatment(toy, horizon=1, bootstrap_at_horizon=True)
    state, action = admitted(core, seeds(0, 4)), torch.zeros(4, dtype=torch.int64)
    step = shaped(core, severity).step(state, action, torch.full((4,), 4.0), torch.zeros(4, 5))
    assert step.truncated.all()
    assert torch.allclose(step.reward, severity(state) - severity(step.state), atol=1e-6)


def test_records_are_paid_as_before(core, uniform):
    stays = rollout(core, uniform, 50, seed=1).trajectories
    treatment = shaped(core, Severity(core.spec, WEIGHTS))
    assert torch.equal(decisions(treatment, stays).reward, decisions(core, stays).reward)


def test_a_stay_that_is_over_is_paid_nothing(core):
    state = admitted(core, seeds(0, 2)).replace(outcome=torch.tensor([2, 1]))
    action = torch.zeros(2, dtype=torch.int64)
    step = shaped(core, Severity(core.spec, WEIGHTS)).step(state, action, torch.full((2,), 4.0), torch.ones(2, 5))
    assert step.reward.tolist() == [0.0, 0.0]


def test_unknown_features_and_empty_weights_are_refused(core):
    with pytest.raises(KeyError, match="no feature 'sofa'; known: map, lactate"):
        Severity(core.spec, {"sofa": 1.0})
    for weights in ({}, {"map": float("nan")}):
        with pytest.raises(ValueError, match="finite weight"):
            Severity(dataclasses.replace(core.spec), weights)
