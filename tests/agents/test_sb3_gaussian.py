"""Policies of continuous doses: what is learned, exported, saved and executed."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from posology.agents.clipped_gaussian import ClippedGaussianPolicy
from posology.agents.mlp import MLP
from posology.agents.save import load_any_policy, load_policy, save_policy
from posology.agents.sb3 import PPOConfig, ppo_of
from posology.agents.sb3_gaussian import export, fit_gaussian_ppo
from posology.contracts import DiscretePolicy, Policy
from posology.envs import sb3_env, treatment
from posology.trajectories.noise import ACTOR, normals, seeds
from posology.trajectories.rollout import rollout

DRUGS = 2


@pytest.fixture
def needing(identity_env):
    """The needed dose is a number in the observation; the closer, the better."""

    class NeedEnv(identity_env):
        def __init__(self):
            super().__init__(64)
            self.action_space = spaces.Box(-1, 1, (DRUGS,), np.float32)
            self.observation_space = spaces.Box(-8, 8, (DRUGS,), np.float32)

        def _admit(self):
            self.need = torch.rand(self.num_envs, DRUGS, generator=self.generator) * 2 - 1
            return self.need.numpy()

        def step_wait(self):
            reward = -(self.actions - self.need).abs().sum(1).numpy()
            infos = [{"terminal_observation": row} for row in self.need.numpy()]
            return self._admit(), reward, np.ones(self.num_envs, dtype=bool), infos

    return NeedEnv


def noise(rows, columns, seed=7):
    zero = torch.zeros(rows, dtype=torch.int64)
    return normals(seeds(seed, rows), zero, zero, columns, stream=ACTOR)


@pytest.fixture
def policy():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(DRUGS, 3, generator=generator)
    return ClippedGaussianPolicy(MLP(((weight, torch.tensor([0.2, -0.4])),)), torch.tensor([-0.7, 0.1]))


def test_ppo_finds_the_needed_dose(needing):
    policy = fit_gaussian_ppo(needing(), PPOConfig(steps=40_000, rollout=8, entropy=0.0), seed=0)
    need = torch.rand(500, DRUGS, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert (policy.mean(need) - need).abs().mean() < 0.12


def test_the_export_acts_as_ppo_does(needing):
    model = ppo_of(needing(), PPOConfig(rollout=8, hidden=(16, 8)), seed=0).learn(2000)
    policy, obs = export(model), torch.rand(200, DRUGS) * 2 - 1
    theirs, _ = model.predict(obs.numpy(), deterministic=True)
    assert np.array_equal(policy.mean(obs).numpy(), theirs)
    drawn = noise(200, policy.noise_dim)
    with torch.no_grad():
        distribution = model.policy.get_distribution(obs).distribution
        sampled = distribution.mean + distribution.stddev * drawn
        inside = (sampled.abs() < 1).all(1)
        expected = distribution.log_prob(sampled).sum(1)
    assert torch.allclose(policy.act(obs, None, drawn), sampled.clamp(-1, 1), atol=1e-6)
    assert torch.allclose(policy.log_prob(obs, None, sampled)[inside], expected[inside], atol=1e-4)


def test_saved_and_loaded_acts_identically(policy, tmp_path):
    save_policy(policy, tmp_path / "policy")
    again, obs = load_any_policy(tmp_path / "policy"), torch.randn(100, 3)
    assert torch.equal(again.act(obs, None, noise(100, DRUGS)), policy.act(obs, None, noise(100, DRUGS)))
    assert {p.name for p in (tmp_path / "policy").iterdir()} == {"model.json", "weights.safetensors"}
    with pytest.raises(ValueError, match="use load_any_policy"):
        load_policy(tmp_path / "policy")
    assert isinstance(policy, Policy) and not isinstance(policy, DiscretePolicy)


def test_probability_sums_to_one_over_the_range_and_its_ends(policy):
    obs = torch.tensor([[0.3, -0.2, 0.5]])
    grid = torch.linspace(-1, 1, 2001)[1:-1]
    for drug in range(DRUGS):
        one = ClippedGaussianPolicy(
            MLP(((policy.network.layers[0][0][drug : drug + 1], policy.network.layers[0][1][drug : drug + 1]),)),
            policy.log_std[drug : drug + 1],
        )
        density = one.log_prob(obs.expand(len(grid), -1), None, grid[:, None]).exp().sum() * (grid[1] - grid[0])
        ends = sum(one.log_prob(obs, None, torch.tensor([[end]])).exp() for end in (-1.0, 1.0))
        assert math.isclose(float(density + ends), 1.0, abs_tol=2e-3)


def test_draws_reach_the_ends_as_often_as_is_said(policy):
    obs = torch.tensor([[0.3, -0.2, 0.5]]).expand(20_000, -1)
    drawn = policy.act(obs, None, noise(20_000, DRUGS))
    mean, std = policy.network(obs[:1])[0], policy.log_std.exp()
    for drug in range(DRUGS):
        expected = float(torch.special.ndtr((-1 - mean[drug]) / std[drug]))
        assert float((drawn[:, drug] == -1).float().mean()) == pytest.approx(expected, abs=0.01)


def test_learns_in_a_registered_environment_and_is_followed_there():
    env = sb3_env("posology/Sepsis-v0", num_envs=32, action="continuous")
    policy = fit_gaussian_ppo(env, PPOConfig(steps=400), seed=0)
    played = rollout(treatment("posology/Sepsis-v0", action="continuous"), policy, 16, seed=1)
    assert played.decisions.action.shape == (16, 18, DRUGS)
    again = policy.log_prob(played.decisions.obs[:, 0], None, played.decisions.action[:, 0])
    assert torch.allclose(again, played.decisions.log_behavior[:, 0])
    assert (played.trajectories.dose[:, 0] > 0).any()


def test_other_spaces_are_refused(identity_env):
    with pytest.raises(ValueError, match=r"a Box of -1..1"):
        fit_gaussian_ppo(identity_env(), PPOConfig(steps=10))
