"""MaskablePPO: the mask is obeyed in training and after it, and the export has the very probabilities."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from posology.agents.save import load_policy, save_policy
from posology.agents.sb3 import PPOConfig, export
from posology.agents.sb3_maskable import fit_maskable_ppo, maskable_ppo_of
from posology.envs import sb3_env

SHORT = PPOConfig(steps=2000, rollout=8, hidden=(16, 8))


def masks(rows, actions):
    allowed = torch.rand(rows, actions, generator=torch.Generator().manual_seed(0)) < 0.5
    allowed[torch.arange(rows), torch.arange(rows) % actions] = True
    return allowed


@pytest.fixture
def model(identity_env):
    return maskable_ppo_of(identity_env(), SHORT, seed=0).learn(2000)


def test_exported_probabilities_and_saved_actions_are_identical(model, make_logged, actions, tmp_path):
    obs, allowed = make_logged(200, 0).obs[:, 0], masks(200, actions)
    with torch.no_grad():
        theirs = model.policy.get_distribution(obs, action_masks=allowed.numpy()).distribution.probs
    policy = export(model)
    torch.testing.assert_close(policy.probs(obs, allowed), theirs, atol=1e-7, rtol=1e-6)
    save_policy(policy, tmp_path / "policy")
    greedy, _ = model.predict(obs.numpy(), deterministic=True, action_masks=allowed.numpy())
    assert np.array_equal(load_policy(tmp_path / "policy").probs(obs, allowed).argmax(1).numpy(), greedy)


def test_a_masked_level_is_never_tried_in_training(identity_treatment):
    env = sb3_env(identity_treatment(forbidden=2), 64, seed=0)
    tried = []
    act = env.step_async
    env.step_async = lambda chosen: (tried.append(np.array(chosen)), act(chosen))  # type: ignore[method-assign]
    policy = fit_maskable_ppo(env, PPOConfig(steps=15_000, rollout=8), seed=0)
    assert 2 not in np.concatenate(tried) and len(np.concatenate(tried)) >= 15_000
    allowed = torch.tensor([True, True, False, True]).expand(4, 4)
    obs = torch.cat([torch.eye(4), torch.ones(4, 1)], 1)
    probs = policy.probs(obs, allowed)
    assert probs[:, 2].max() == 0 and min(float(probs[need, need]) for need in (0, 1, 3)) > 0.9


def test_an_environment_without_levels_is_refused(identity_env):
    env = identity_env()
    env.action_space = spaces.Box(-1, 1, (2,))
    with pytest.raises(ValueError, match="MaskablePPO here needs Discrete actions"):
        fit_maskable_ppo(env, SHORT)
