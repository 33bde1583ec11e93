"""Laws of every registered agent."""

import dataclasses
import functools
from pathlib import Path

import pytest
import torch
from posology.agents import AGENTS
from posology.agents.offline import Schedule
from posology.agents.records import LoggedData
from posology.agents.save import load_policy, save_policy
from posology.agents.table import agent, parameter_type
from posology.contracts import DiscretePolicy, Treatment
from posology.trajectories.noise import ACTOR, normals, seeds

STEPS = 15_000  # the small budget of agents that learn in an environment
STAYS = 600  # of those that learn from records
IGNORES_MASKS = {name for name in AGENTS if name.startswith("behavior")}  # clinicians did take such actions
CONTINUOUS = {"td3_bc", "sac"}  # no probabilities of actions: tested in test_offline and test_sb3_sac
DISCRETE = [name for name in AGENTS if name not in CONTINUOUS]


@pytest.fixture(scope="module")
def train(identity_env, identity_treatment, make_logged, actions):
    def build(name: str, *, steps: int = STEPS, seed: int = 0) -> DiscretePolicy:
        fit = agent(name)
        config = parameter_type(fit, "config")
        known = {field.name for field in dataclasses.fields(config)}
        short = Schedule(epochs=steps // 1500, updates=60)  # of agents that learn from records
        settings = {k: v for k, v in {"actions": actions, "steps": steps, "schedule": short}.items() if k in known}
        records = LoggedData(make_logged(STAYS, 0, skill=0.97), make_logged(200, 1, skill=0.97))
        wanted = parameter_type(fit, "source")
        source = records if wanted is LoggedData else identity_treatment() if wanted is Treatment else identity_env()
        return fit(source, config(**settings), seed=seed)

    return build


@pytest.fixture(scope="module")
def fit(train):
    return functools.lru_cache(train)


def noise(rows: int, columns: int) -> torch.Tensor:
    zero = torch.zeros(rows, dtype=torch.int64)
    return normals(seeds(7, rows), zero, zero, columns, stream=ACTOR)


@pytest.mark.parametrize("name", DISCRETE)
def test_solves_the_identity_patient_or_ignores_it(name, fit, make_logged, actions):
    policy, decisions = fit(name), make_logged(2000, 2)
    obs, need = decisions.obs[:, 0], decisions.action[:, 0]
    reward = (policy.act(obs, None, noise(len(obs), policy.noise_dim)) == need).float().mean()
    probs = policy.probs(obs, None)
    if torch.equal(probs, probs.flip(0)):  # a baseline that never looks at the patient
        assert abs(reward - 1 / actions) < 0.05
    else:
        assert reward > 0.93


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_sum_to_one_and_agree_with_log_prob(name, fit, make_logged, actions):
    policy, obs = fit(name), make_logged(50, 3).obs[:, 0] * 3
    probs = policy.probs(obs, None)
    assert probs.shape == (50, actions)
    torch.testing.assert_close(probs.sum(1), torch.ones(50))
    for a in range(actions):
        action = torch.full((50,), a)
        torch.testing.assert_close(policy.log_prob(obs, None, action).exp(), probs[:, a])


@pytest.mark.parametrize("name", DISCRETE)
def test_never_picks_a_masked_action(name, fit, make_logged, actions):
    policy, obs = fit(name), make_logged(500, 4).obs[:, 0]
    allowed = torch.rand(500, actions, generator=torch.Generator().manual_seed(0)) < 0.5
    allowed[torch.arange(500), torch.arange(500) % actions] = True
    if name in IGNORES_MASKS:
        assert torch.equal(policy.probs(obs, allowed), policy.probs(obs, None))
        return
    probs = policy.probs(obs, allowed)
    assert (probs[~allowed] == 0).all()
    torch.testing.assert_close(probs.sum(1), torch.ones(500))
    action = policy.act(obs, allowed, noise(500, policy.noise_dim))
    assert allowed[torch.arange(500), action].all()
    assert (policy.log_prob(obs, allowed, (~allowed).float().argmax(1))[(~allowed).any(1)] == -torch.inf).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_draws_follow_the_probabilities(name, fit, make_logged, actions):
    policy, rows = fit(name), 20_000
    obs = make_logged(1, 5).obs[:1, 0].expand(rows, -1) * 0.5
    drawn = torch.bincount(policy.act(obs, None, noise(rows, policy.noise_dim)), minlength=actions) / rows
    expected = policy.probs(obs[:1], None)[0]
    error = 4 * (expected * (1 - expected) / rows).sqrt() + 1e-6
    assert ((drawn - expected).abs() <= error).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_saved_and_loaded_acts_identically(name, fit, make_logged, tmp_path: Path):
    policy, obs = fit(name), make_logged(300, 6).obs[:, 0]
    save_policy(policy, tmp_path / name)
    again = load_policy(tmp_path / name)
    assert torch.equal(again.probs(obs, None), policy.probs(obs, None))
    drawn = noise(300, policy.noise_dim)
    assert torch.equal(again.act(obs, None, drawn), policy.act(obs, None, drawn))
    assert {p.name for p in (tmp_path / name).iterdir()} == {"model.json", "weights.safetensors"}


@pytest.mark.parametrize("name", DISCRETE)
def test_one_row_acts_as_it_does_in_a_batch(name, fit, make_logged):
    policy, obs = fit(name), make_logged(40, 7).obs[:, 0]
    alone = torch.cat([policy.probs(row[None], None) for row in obs])
    torch.testing.assert_close(alone, policy.probs(obs, None), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", DISCRETE)
def test_same_seed_same_policy(name, train, make_logged):
    obs = make_logged(200, 0).obs[:, 0]
    first, second = (train(name, steps=2000, seed=3).probs(obs, None) for _ in range(2))
    assert torch.equal(first, second)


def test_only_baselines_ignore_the_patient(fit, make_logged):
    obs = make_logged(200, 0).obs[:, 0]
    ignoring = {name for name in DISCRETE if torch.equal(*(fit(name).probs(x, None) for x in (obs, obs.flip(0))))}
    assert ignoring == {"random", "none", "most_frequent"}


def test_an_unknown_agent_names_the_nearest():
    with pytest.raises(KeyError, match="did you mean 'ppo'"):
        agent("pppo")
