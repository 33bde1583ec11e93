"""The last row of the sepsis acceptance table: PPO trained in the true model, beside the observable rule."""

import pytest
from posology.agents.sb3 import PPOConfig, fit_ppo
from posology.envs import sb3_env, treatment
from posology.patient_models.sepsis_clinician import SepsisClinician
from posology.patient_models.sepsis_protocols import ObservableRule
from posology.trajectories.rollout import rollout

STAYS = 20_000


@pytest.mark.slow
def test_ppo_comes_within_two_points_of_the_rule_and_far_from_the_clinician() -> None:
    truth = treatment("posology/Sepsis-v0")
    policy = fit_ppo(sb3_env(truth, 256, seed=10**9), PPOConfig(steps=400_000, epochs=6), seed=0)
    found = [rollout(truth, who, STAYS, seed=10**6).returns for who in (policy, ObservableRule(), SepsisClinician())]
    died = [100 * (1 - float(returns.mean())) for returns in found]
    assert died[0] < died[1] + 2.0, died
    assert died[0] < died[2] - 6.0, died
