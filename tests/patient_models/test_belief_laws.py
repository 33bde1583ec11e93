"""What every belief model obeys: filtering step by step, alone or in a batch, from the past only."""

import pytest
import torch
from posology.contracts import BeliefModel
from posology.patient_models.learned_inputs import states_of
from posology.patient_models.lstm import LSTMConfig, fit_lstm
from posology.trajectories.carry import valid_states

STAYS = 40


@pytest.fixture(scope="module")
def believer(toy):
    return fit_lstm(toy.rows(torch.arange(200)), toy.rows(torch.arange(200, 300)), LSTMConfig(2, 8, epochs=1))


@pytest.fixture(scope="module")
def stays(toy):
    few = toy.rows(torch.arange(300, 300 + STAYS))
    assert len(few.length.unique()) > 2, "ragged stays are needed"
    return few


def test_a_whole_batch_equals_each_stay_filtered_by_hand(believer, stays):
    assert isinstance(believer, BeliefModel)
    found, valid, states = believer.assimilate(stays), valid_states(stays), states_of(stays)
    assert found.shape == (STAYS, stays.mask.shape[1] + 1, believer.belief_dim)
    for stay in range(STAYS):
        at = torch.tensor([stay * found.shape[1]])
        belief = believer.initial_belief(states.rows(at))
        for t in range(int(valid[stay].sum())):
            assert torch.allclose(belief[0], found[stay, t], atol=1e-5)
            if t < stays.mask.shape[1]:
                row = slice(stay, stay + 1)
                belief = believer.filter(belief, stays.dose[row, t], stays.hours[row, t], states.rows(at + t + 1))


def test_padding_is_irrelevant_and_empty(believer, stays, lengthen):
    found, valid = believer.assimilate(stays), valid_states(stays)
    assert (found[~valid] == 0).all()
    longer = believer.assimilate(lengthen(stays, 3))
    assert torch.allclose(longer[:, : found.shape[1]], found, atol=1e-6) and (longer[:, found.shape[1] :] == 0).all()
    rubbish = torch.where(valid[:, :, None], stays.vitals, 200.0)
    assert torch.equal(believer.assimilate(stays.replace(vitals=rubbish)), found)


def test_belief_depends_on_the_past_only(believer, stays):
    found = believer.assimilate(stays)
    for t in (1, 4):
        later = stays.replace(vitals=stays.vitals.clone(), dose=stays.dose.clone())
        later.vitals[:, t + 1 :], later.dose[:, t:] = 100.0, 0.01
        changed = believer.assimilate(later)
        assert torch.equal(changed[:, : t + 1], found[:, : t + 1])
        assert not torch.equal(changed[:, t + 1], found[:, t + 1])


def test_what_is_hidden_or_unknown_yet_is_not_asked_for(believer, stays):
    """What was observed and given is enough: how a stay ends never enters."""
    died = stays.replace(outcome=torch.where(stays.outcome == 2, 1, stays.outcome))
    assert torch.equal(believer.assimilate(died), believer.assimilate(stays))
