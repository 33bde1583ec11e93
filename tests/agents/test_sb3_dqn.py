"""DQN: the exported policy is greedy in the very values that were learned."""

import pytest
import torch
from gymnasium import spaces
from posology.agents.sb3_dqn import DQNConfig, dqn_of, export, fit_dqn


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_exported_actions_and_values_are_identical(identity_env, make_logged, activation):
    model = dqn_of(identity_env(), DQNConfig(steps=2000, activation=activation, hidden=(16, 8)), seed=0)
    model.learn(2000)
    obs = make_logged(200, 0).obs[:, 0]
    policy = export(model)
    with torch.no_grad():
        assert torch.equal(policy.values(obs), model.q_net(obs))
    theirs, _ = model.predict(obs.numpy(), deterministic=True)
    assert policy.act(obs, None, obs).tolist() == theirs.tolist()


def test_progress_rises_to_one(identity_env):
    seen: list[float] = []
    fit_dqn(identity_env(), DQNConfig(steps=1024), progress=lambda done, message: seen.append(done))
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_other_spaces_are_refused(identity_env):
    env = identity_env()
    env.action_space = spaces.Box(-1, 1, (2,))
    with pytest.raises(ValueError, match="DQN here needs Discrete actions"):
        fit_dqn(env, DQNConfig(steps=10))
