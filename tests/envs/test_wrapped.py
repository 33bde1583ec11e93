"""A wrapper is the treatment it was made of, but for the parts that were replaced."""

import dataclasses

import torch
from posology.contracts import Treatment
from posology.envs import decisions
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.wrapped import Wrapped, wrap
from posology.trajectories.rollout import rollout


def test_every_part_of_the_contract_is_there():
    contract = {name for name in vars(Treatment) if not name.startswith("_")}
    assert contract == {part.name for part in dataclasses.fields(Wrapped)}


def test_a_wrapper_that_replaces_nothing_changes_nothing(core, actions_for):
    again = wrap(wrap(core))
    state = core.admit(torch.zeros(5, core.admit_noise_dim))
    action, noise = torch.as_tensor(actions_for(1, 5)[0]), torch.zeros(5, core.noise_dim)
    hours = core.interval(state, action)
    one, other = core.step(state, action, hours, noise), again.step(state, action, hours, noise)
    for name, value in vars(one.state).items():
        assert torch.equal(value, getattr(other.state, name)), name
    assert torch.equal(one.reward, other.reward) and torch.equal(core.observe(state), again.observe(state))


def test_what_is_replaced_is_what_shells_and_records_see(toy, uniform):
    core = DoseTreatment(toy, horizon=4)

    def step(state, action, hours, noise):
        found = core.step(state, action, hours, noise)
        return dataclasses.replace(found, reward=found.reward + 1)

    generous = dataclasses.replace(wrap(core), step=step)
    plain, paid = rollout(core, uniform, 50, seed=2), rollout(generous, uniform, 50, seed=2)
    assert torch.equal(paid.returns, plain.returns + plain.decisions.mask.sum(1))
    logged = decisions(generous, paid.trajectories)
    assert torch.equal(logged.reward, plain.decisions.reward), "records are paid by `reward`, which was not replaced"
