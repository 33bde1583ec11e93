"""SAC on continuous doses: it finds the needed dose, and its export acts as it does."""

import numpy as np
import pytest
import torch
from posology.agents.mlp import MLP
from posology.agents.save import load_any_policy, save_policy
from posology.agents.sb3_sac import SACConfig, export, fit_sac, sac_of
from posology.agents.squashed_gaussian import SquashedGaussianPolicy
from posology.contracts import DiscretePolicy, Policy
from posology.envs import sb3_env, treatment
from posology.trajectories.noise import ACTOR, normals, seeds
from posology.trajectories.rollout import rollout

SHORT = SACConfig(steps=1024, warm_up=256, hidden=(16, 8), updates=1, replay=2000)


def noise(rows, columns):
    zero = torch.zeros(rows, dtype=torch.int64)
    return normals(seeds(7, rows), zero, zero, columns, stream=ACTOR)


def observations(rows=200, columns=5):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def identity(identity_treatment):
    return lambda: sb3_env(identity_treatment(continuous=True), 64, seed=0)


def test_sac_finds_the_needed_dose(identity):
    policy = fit_sac(identity(), SACConfig(steps=10_000, warm_up=1000, hidden=(32, 32), updates=2), seed=0)
    obs = torch.cat([torch.eye(4), torch.ones(4, 1)], 1)
    needed = torch.arange(4) / 3 * 1.2 - 0.6
    assert (policy.mean(obs)[:, 0] - needed).abs().max() < 0.1
    drawn = policy.act(obs.repeat(500, 1), None, noise(2000, 1))[:, 0]
    assert (1 - (drawn - needed.repeat(500)) ** 2).mean() > 0.93


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_export_acts_as_sac_does(identity, activation):
    config = SACConfig(steps=1024, warm_up=256, hidden=(16, 8), updates=1, replay=2000, activation=activation)
    model = sac_of(identity(), config, seed=0).learn(1024)
    policy, obs, drawn = export(model), observations(), noise(200, 1)
    theirs, _ = model.predict(obs.numpy(), deterministic=True)
    assert np.allclose(policy.mean(obs).numpy(), theirs, atol=1e-6)
    with torch.no_grad():
        mean, log_std, _ = model.actor.get_action_dist_params(obs)
        sampled = torch.tanh(mean + log_std.exp() * drawn)
        distribution = model.actor.action_dist.proba_distribution(mean, log_std)
        expected = distribution.log_prob(sampled)
    assert torch.allclose(policy.act(obs, None, drawn), sampled, atol=1e-6)
    assert torch.allclose(policy.log_prob(obs, None, sampled), expected, atol=1e-2)


def test_saved_and_loaded_acts_identically_and_a_seed_repeats_itself(identity, tmp_path):
    policy, again = (fit_sac(identity(), SHORT, seed=3) for _ in range(2))
    obs, drawn = observations(), noise(200, 1)
    assert torch.equal(policy.act(obs, None, drawn), again.act(obs, None, drawn))
    save_policy(policy, tmp_path / "policy")
    assert torch.equal(load_any_policy(tmp_path / "policy").act(obs, None, drawn), policy.act(obs, None, drawn))
    assert {p.name for p in (tmp_path / "policy").iterdir()} == {"model.json", "weights.safetensors"}
    assert isinstance(policy, Policy) and not isinstance(policy, DiscretePolicy)


def test_the_density_integrates_to_one():
    policy = SquashedGaussianPolicy(MLP(((torch.tensor([[0.5], [0.2]]), torch.tensor([0.3, -0.8])),)))
    grid = torch.linspace(-1, 1, 4001)[1:-1]
    density = policy.log_prob(torch.full((len(grid), 1), 0.4), None, grid[:, None]).exp()
    assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="a mean and a spread per drug"):
        SquashedGaussianPolicy(MLP(((torch.ones(3, 1), torch.ones(3)),)))


def test_learns_in_a_registered_environment_and_is_followed_there():
    env = sb3_env("posology/Sepsis-v0", num_envs=32, seed=0, action="continuous")
    policy = fit_sac(env, SACConfig(steps=512, warm_up=128, updates=1, replay=1000), seed=0)
    played = rollout(treatment("posology/Sepsis-v0", action="continuous"), policy, 16, seed=1)
    assert played.decisions.action.shape == (16, 18, 2)
    again = policy.log_prob(played.decisions.obs[:, 0], None, played.decisions.action[:, 0])
    assert torch.allclose(again, played.decisions.log_behavior[:, 0])


def test_levels_are_refused(identity_env):
    with pytest.raises(ValueError, match=r"a Box of -1..1"):
        fit_sac(identity_env(), SHORT)
