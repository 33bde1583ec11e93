"""PPO: identical probabilities after export, and nothing left behind in global generators."""

import random

import numpy as np
import pytest
import torch
from gymnasium import spaces
from posology.agents.sb3 import PPOConfig, export, fit_ppo, ppo_of
from posology.envs import sb3_env, treatment
from posology.trajectories.rollout import rollout


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_exported_probabilities_are_identical(identity_env, make_logged, activation):
    model = ppo_of(identity_env(), PPOConfig(rollout=8, activation=activation, hidden=(16, 8)), seed=0)
    model.learn(2000)
    obs = make_logged(200, 0).obs[:, 0]
    with torch.no_grad():
        theirs = model.policy.get_distribution(obs).distribution.probs
    assert torch.equal(export(model).probs(obs, None), theirs)


def test_the_export_does_not_follow_further_training(identity_env, make_logged):
    model, obs = ppo_of(identity_env(), PPOConfig(rollout=8), seed=0), make_logged(20, 0).obs[:, 0]
    policy = export(model)
    before = policy.probs(obs, None)
    model.learn(1000)
    assert torch.equal(policy.probs(obs, None), before)


def test_global_generators_and_threads_are_left_as_found(identity_env):
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002 - the global generator is what is tested
    random.seed(11)
    expected = torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    threads = torch.get_num_threads()
    fit_ppo(identity_env(), PPOConfig(steps=256, rollout=8))
    assert (torch.rand(1), np.random.rand(), random.random()) == expected  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_progress_rises_to_one(identity_env):
    seen: list[float] = []
    fit_ppo(identity_env(), PPOConfig(steps=1024, rollout=8), progress=lambda done, message: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_minibatches_that_do_not_fit_are_refused(identity_env):
    with pytest.raises(ValueError, match="equal minibatches"):
        fit_ppo(identity_env(3), PPOConfig(steps=10, rollout=7, minibatches=4))


def test_learns_in_a_registered_environment_and_acts_there():
    policy = fit_ppo(sb3_env("posology/Sepsis-v0", num_envs=32), PPOConfig(steps=400), seed=0)
    played = rollout(treatment("posology/Sepsis-v0"), policy, 16, seed=1).decisions
    obs, action = played.obs[:, 0], played.action[:, 0]
    assert policy.probs(obs, None).shape == (16, 25)
    torch.testing.assert_close(policy.log_prob(obs, None, action), played.log_behavior[:, 0])


def test_other_spaces_are_refused(identity_env):
    env = identity_env()
    env.action_space = spaces.Box(0, 1, (2,))
    with pytest.raises(ValueError, match="needs Discrete actions"):
        fit_ppo(env, PPOConfig(steps=10))


def test_curves_are_written_and_change_nothing(identity_env, make_logged):
    written: dict[str, list[int]] = {}
    config, obs = PPOConfig(steps=4096, rollout=8), make_logged(50, 0).obs[:, 0]

    def log(tag: str, value: float, step: int) -> None:
        assert np.isfinite(value)
        written.setdefault(tag, []).append(step)

    told, silent = fit_ppo(identity_env(), config, log=log), fit_ppo(identity_env(), config)
    assert torch.equal(told.probs(obs, None), silent.probs(obs, None))
    assert {"train/value_loss", "train/entropy_loss", "train/policy_gradient_loss"} <= set(written)
    assert all(steps == sorted(set(steps)) and steps[-1] <= 4096 for steps in written.values())
