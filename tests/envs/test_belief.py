"""Belief: carried in the state, shown to the policy, the same from a simulation and from its record."""

import dataclasses

import pytest
import torch
from posology.contracts import IN_CARE
from posology.envs import decisions, treatment
from posology.envs.belief import with_belief
from posology.envs.dose_treatment import DoseTreatment
from posology.trajectories.rollout import rollout


def test_a_mechanistic_patient_is_believed_the_same_live_and_from_its_record(toy, lstm, uniform):
    core = DoseTreatment(toy, horizon=6)
    lived = rollout(with_belief(core, lstm), uniform, 60, seed=4)
    plain = rollout(core, uniform, 60, seed=4)
    width = core.observation_dim
    assert lived.decisions.obs.shape[2] == width + lstm.belief_dim
    assert torch.equal(lived.decisions.obs[:, :, :width], plain.decisions.obs), "a belief changes no patient"
    assert torch.equal(lived.returns, plain.returns)
    read = decisions(with_belief(core, lstm), plain.trajectories)
    valid = torch.cat([read.mask, (plain.trajectories.outcome == IN_CARE)[:, None]], 1)
    valid[:, 1:] &= read.mask
    assert torch.allclose(read.obs[valid], lived.decisions.obs[valid], atol=1e-5)
    assert lived.decisions.obs[:, 1:, width:][read.mask].std() > 0


def test_a_learned_patients_belief_is_what_its_own_members_remember(lstm, uniform):
    core = with_belief(DoseTreatment(lstm, horizon=4), lstm)
    state = core.admit(torch.zeros(8, core.admit_noise_dim))
    known = lstm.setting.layout.known
    for t in range(3):
        action = torch.arange(8) + t
        state = core.step(state, action, core.interval(state, action), torch.randn(8, core.noise_dim)).state
        assert torch.allclose(state.belief[:, known:], state.memory[:, 1:], atol=1e-5)
        assert torch.allclose(
            lstm.setting.layout.complete(state.belief[:, :known], torch.ones(8, 2), torch.ones(8)),
            lstm.setting.layout.columns(state, torch.ones(8, 2), torch.ones(8)),
            atol=1e-5,
        )
        dose, hours = torch.ones(8, 2), torch.ones(8)
        told = lstm.believing(state.replace(memory=state.memory[:, :0]))
        torch.testing.assert_close(lstm.spread(told, dose, hours), lstm.spread(state, dose, hours))


def test_belief_knows_nothing_hidden(toy, lstm):
    core = with_belief(DoseTreatment(toy), lstm)
    state = core.admit(torch.randn(5, core.admit_noise_dim))
    action, noise = torch.arange(5), torch.randn(5, core.noise_dim)
    hidden = state.replace(memory=state.memory + 3)
    one, other = (core.step(s, action, core.interval(s, action), noise).state for s in (state, hidden))
    assert not torch.equal(one.memory, other.memory) and torch.equal(one.belief, other.belief)


def test_what_cannot_be_believed_is_refused(toy, lstm):
    core = DoseTreatment(dataclasses.replace(toy, spec=dataclasses.replace(toy.spec, context=())))
    with pytest.raises(ValueError, match="differ in their spec"):
        with_belief(core, lstm)
    with pytest.raises(ValueError, match="carries a belief already"):
        with_belief(with_belief(DoseTreatment(toy), lstm), lstm)
    with pytest.raises(TypeError, match="needs a model that infers one"):
        treatment("posology/Learned-v0", model=toy, belief=True)
