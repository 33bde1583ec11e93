"""Off-policy learners remember what was executed; on-policy ones keep the sampled action with its log-probability."""

import dataclasses

import numpy as np
import torch
from posology.agents import masked_ppo
from posology.agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from posology.agents.sb3_dqn import DQNConfig, dqn_of
from posology.agents.sb3_sac import SACConfig, sac_of
from posology.agents.sb3_tools import remember_executed
from posology.envs import sb3_env, treatment
from posology.envs.constraints import DoseLimit
from posology.envs.shield import shield

LIMIT = 0.07  # ug/kg/min


def guarded(action: str):
    """Sepsis in which a shield gives no more than a little norepinephrine, whoever asks for more."""
    core = treatment("posology/Sepsis-v0", action=action)
    rule = DoseLimit("little norepinephrine", core.spec.drug("norepinephrine"), LIMIT, "ug/kg/min")
    unmasked = shield(core, (rule,), states=100)
    return dataclasses.replace(unmasked, allowed=lambda state: None)  # as a learner without masks has it


def test_dqn_remembers_the_levels_that_were_given() -> None:
    env = sb3_env(guarded("levels"), 64, seed=0)
    model = dqn_of(env, DQNConfig(steps=640, warm_up=640, updates=1), seed=0)
    remember_executed(model)
    model.learn(640)
    stored = model.replay_buffer.actions[: model.replay_buffer.pos].ravel()
    assert len(stored) == 640 and int((stored % 5).max()) == 2, "a level that nobody was given was remembered"
    assert np.bincount(stored % 5)[2] > np.bincount(stored % 5)[:2].max(), "what was forbidden became the nearest level"


def test_sac_remembers_the_doses_that_were_given() -> None:
    core = guarded("continuous")
    env = sb3_env(core, 64, seed=0)
    model = sac_of(env, SACConfig(steps=640, warm_up=640, updates=1), seed=0)
    remember_executed(model)
    model.learn(640)
    stored = torch.from_numpy(model.replay_buffer.actions[: model.replay_buffer.pos].reshape(-1, 2))
    state = core.admit(torch.zeros(len(stored), core.admit_noise_dim))
    doses = core.decode(state, stored)[:, 1]
    assert len(stored) == 640 and float(doses.max()) <= LIMIT * 1.001
    assert float((doses > LIMIT * 0.999).float().mean()) > 0.2, "nothing was capped: the law was not tested"


def test_nothing_is_told_where_nothing_was_changed() -> None:
    env = sb3_env(treatment("posology/Sepsis-v0"), 8, seed=0)
    env.reset()
    infos = env.step(np.arange(8))[3]
    assert not any("executed" in info for info in infos)
    env = sb3_env(guarded("levels"), 4, seed=0)
    env.reset()
    infos = env.step(np.array([0, 2, 4, 23]))[3]
    assert ["executed" in info for info in infos] == [False, False, True, True]
    assert [int(info["executed"]) % 5 for info in infos[2:]] == [2, 2]


def test_on_policy_learning_keeps_the_sampled_action_with_its_log_probability(monkeypatch) -> None:
    core = guarded("levels")
    sampled, kept = [], []

    def step(state, action, hours, noise):
        sampled.append(action)
        done = core.step(state, action, hours, noise)
        assert bool((core.encode(state, done.dose) != action).any()), "nothing was changed: the law was not tested"
        return done

    original = masked_ppo.advantages

    def watched(steps, *args, **kwargs):
        kept.append(steps)
        return original(steps, *args, **kwargs)

    monkeypatch.setattr(masked_ppo, "advantages", watched)
    config = MaskedPPOConfig(steps=1, beds=64, rollout=4, learning_rate=0.0)
    policy = fit_masked_ppo(dataclasses.replace(core, step=step), config, seed=0)
    steps = kept[0]
    assert torch.equal(steps["action"], torch.stack(sampled))
    expected = policy.log_prob(steps["obs"].flatten(0, 1), None, steps["action"].flatten())
    torch.testing.assert_close(steps["log_prob"].flatten(), expected)


def test_log_probabilities_of_a_limited_continuous_dose_are_those_of_the_sample(monkeypatch) -> None:
    kept = []
    original = masked_ppo.advantages

    def watched(steps, *args, **kwargs):
        kept.append(steps)
        return original(steps, *args, **kwargs)

    monkeypatch.setattr(masked_ppo, "advantages", watched)
    config = MaskedPPOConfig(steps=1, beds=64, rollout=2, learning_rate=0.0)
    policy = fit_masked_ppo(guarded("continuous"), config, seed=0)
    steps = kept[0]
    obs, raw = steps["obs"].flatten(0, 1), steps["action"].flatten(0, 1)
    mean, spread = policy.network(obs), policy.log_spread
    expected = torch.distributions.Normal(mean, spread.exp()).log_prob(raw).sum(1)
    torch.testing.assert_close(steps["log_prob"].flatten(), expected, atol=1e-4, rtol=1e-4)
    assert float(torch.tanh(raw[:, 1]).max()) > 0.5, "every sample was within the limit: the law was not tested"
