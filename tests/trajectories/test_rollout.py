import dataclasses

import pytest
import torch
from posology.agents.baselines import random_policy
from posology.contracts import Blend
from posology.experiments.sources import clinician, source, true_treatment
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout


@pytest.fixture(scope="module")
def setting():
    return true_treatment("sepsis"), clinician("sepsis", 1.0, 0.0)


def test_a_patient_is_the_same_in_any_batch(setting):
    treatment, acting = setting
    whole = rollout(treatment, acting, 40, seed=7)
    pieces = rollout(treatment, acting, 40, seed=7, batch=7)
    single = rollout(treatment, acting, 1, seed=7 + 23)
    for name, value in vars(whole.trajectories).items():
        if isinstance(value, torch.Tensor):
            assert torch.allclose(value, getattr(pieces.trajectories, name), atol=1e-4, rtol=1e-4), name
            assert torch.allclose(value[23], getattr(single.trajectories, name)[0], atol=1e-4, rtol=1e-4), name


def test_masks_are_prefixes_and_rewards_are_paid_once(setting):
    done = rollout(*setting, 200)
    mask, reward = done.decisions.mask, done.decisions.reward
    assert bool((mask[:, 1:] <= mask[:, :-1]).all())
    assert torch.equal((reward != 0).sum(1), (done.trajectories.outcome != 2).long())
    assert torch.equal(done.decisions.terminated, done.trajectories.outcome == 2)
    assert done.decisions.mask.sum(1)[done.trajectories.outcome == 0].eq(18).all()


def test_a_blend_mixes_probabilities_and_follows_its_policy_at_its_share(setting):
    treatment, acting = setting
    blend = Blend(random_policy(25), acting, 0.3)
    mixed, base = rollout(treatment, blend, 400, seed=1), rollout(treatment, acting, 400, seed=1)
    first = mixed.decisions.action[:, 0] != base.decisions.action[:, 0]
    assert float(first.float().mean()) > 0.2
    rows = seeds(1, 400)
    state = treatment.admit(normals(rows, rows * 0, rows * 0, treatment.admit_noise_dim, stream=ADMISSION))
    own = acting.log_prob(state, treatment.decode(state, mixed.decisions.action[:, 0])).exp()
    assert torch.allclose(mixed.decisions.log_behavior[:, 0].exp(), 0.7 * own + 0.3 / 25, atol=1e-5)


def test_a_blend_follows_whole_rows_of_continuous_actions(setting):
    @dataclasses.dataclass(frozen=True)
    class Half:
        noise_dim: int = 0

        def act(self, obs, allowed, noise):
            return torch.full((len(obs), 2), 0.5)

        def log_prob(self, obs, allowed, action):
            return torch.zeros(len(action))

    treatment = dataclasses.replace(setting[0], action="continuous")
    follows = (rollout(treatment, Blend(Half(), setting[1], 0.3), 400, seed=1).decisions.action[:, 0] == 0.5).sum(1)
    assert follows.unique().tolist() == [0, 2] and 0.2 < float(follows.float().mean()) / 2 < 0.4


def test_a_rule_that_remembers_can_be_blended_in(setting):
    treatment, acting = setting
    mixed = rollout(treatment, Blend(source("sepsis").rules[0].acting(), acting, 0.5), 50, seed=1)
    assert torch.isfinite(mixed.decisions.log_behavior[mixed.decisions.mask]).all()


def test_a_rollout_needs_a_stay(setting):
    with pytest.raises(ValueError, match="at least one stay"):
        rollout(*setting, 0)
