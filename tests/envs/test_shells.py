"""What the shells refuse, and how they are told who comes next."""

import gymnasium
import numpy as np
import pytest
import torch
from posology.envs import sb3_env, treatment
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.gym_env import PatientEnv
from posology.envs.vector_env import PatientVectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy


@pytest.fixture
def core(toy):
    return DoseTreatment(toy, horizon=4)


def test_unknown_names_and_options_name_the_nearest():
    with pytest.raises(KeyError, match="did you mean 'posology/Sepsis-v0'"):
        treatment("posology/Sepsys-v0")
    with pytest.raises(TypeError, match="did you mean 'horizon'"):
        treatment("posology/Sepsis-v0", horizn=3)


def test_options_beside_a_treatment_are_refused(core):
    with pytest.raises(TypeError, match="belong to a named environment"):
        PatientEnv(core, horizon=3)


def test_stepping_without_a_patient_is_refused(core):
    one, vec, sb3 = PatientEnv(core), PatientVectorEnv(core, 2), sb3_env(core, 2)
    for step in (lambda: one.step(0), lambda: vec.step(np.zeros(2, int)), lambda: sb3.step(np.zeros(2, int))):
        with pytest.raises(RuntimeError, match="reset"):
            step()
    one.reset(seed=0)
    for _ in range(4):
        ended = any(one.step(0)[2:4])
        if ended:
            break
    with pytest.raises(RuntimeError, match="stay has ended"):
        one.step(0)


@pytest.mark.parametrize("bad", [[0, 25], [-1, 0], [0.0, 1.0], [0, 1, 2], [True, False]])
def test_impossible_actions_are_refused(core, bad):
    vec, sb3 = PatientVectorEnv(core, 2), sb3_env(core, 2)
    vec.reset(seed=0)
    sb3.reset()
    for step in (vec.step, sb3.step):
        with pytest.raises(ValueError, match="expected"):
            step(np.array(bad))


@pytest.mark.parametrize("bad", [[[0.0, 1.1]] * 2, [[0.0, np.nan]] * 2, [[0.0]] * 2, [[0, 1]] * 2, [0.0, 0.0]])
def test_impossible_continuous_actions_are_refused(toy, bad):
    core = DoseTreatment(toy, horizon=4, action="continuous")
    one, vec, sb3 = PatientEnv(core), PatientVectorEnv(core, 2), sb3_env(core, 2)
    one.reset(seed=0)
    vec.reset(seed=0)
    sb3.reset()
    for step in (lambda a: one.step(a[0]), vec.step, sb3.step):
        with pytest.raises(ValueError, match="expected"):
            step(np.array(bad))
    with pytest.raises(TypeError, match="continuous actions have no masks"):
        sb3.action_masks()


def test_continuous_doses_reach_the_patient_and_sb3(toy):
    core = DoseTreatment(toy, horizon=4, action="continuous")
    env = sb3_env(core, 8, seed=0)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=32, n_epochs=1, seed=1, device="cpu").learn(64)
    assert model.policy.action_dist.__class__.__name__ == "DiagGaussianDistribution"
    one = PatientEnv(core)
    one.reset(seed=0)
    np.testing.assert_allclose(one.step(np.array([0.0, 1.0]))[4]["dose"], [162.5, 0.30], rtol=1e-6)


def test_reset_without_a_seed_admits_the_next_patient(core):
    env, fresh = PatientEnv(core), PatientEnv(core)
    first, second = env.reset(seed=5)[0], env.reset()[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(env.reset(seed=5)[0], first)
    assert not np.array_equal(fresh.reset()[0], PatientEnv(core).reset()[0]), "unseeded environments differ"


def test_reset_of_some_beds_leaves_the_others_alone(core):
    env, other = PatientVectorEnv(core, 3), PatientVectorEnv(core, 3)
    env.reset(seed=0)
    other.reset(seed=0)
    action = np.array([1, 2, 3])
    env.step(action)
    expected = other.step(action)[0]
    mask = np.array([False, True, False])
    obs, _ = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(obs[~mask], expected[~mask])
    assert not np.array_equal(obs[1], expected[1])
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset(options={"reset_mask": np.zeros(3, bool)})
    with pytest.raises(ValueError, match="one seed per row"):
        env.reset(seed=[1, 2])


def test_value_beyond_the_horizon_is_bootstrapped_only_on_request(toy):
    for on in (False, True):
        env = sb3_env(DoseTreatment(toy, horizon=2, bootstrap_at_horizon=on), 64, seed=0)
        env.reset()
        env.step(np.zeros(64, int))
        _, _, dones, infos = env.step(np.zeros(64, int))
        alive = [info["outcome"] == 0 for info, done in zip(infos, dones, strict=True) if done]
        flags = [info.get("TimeLimit.truncated", False) for info, done in zip(infos, dones, strict=True) if done]
        assert any(alive) and not all(alive)
        assert flags == [a and on for a in alive]


def test_masks_reach_masked_learners(toy):
    from posology.envs.constraints import sepsis_limits

    core = DoseTreatment(toy, sepsis_limits(toy.spec), enforce=True)
    sb3, one = sb3_env(core, 3, seed=0), PatientEnv(core)
    sb3.reset()
    one.reset(seed=0)
    rows = sb3.env_method("action_masks")
    assert np.stack(rows).shape == (3, 25) and sb3.has_attr("action_masks")
    np.testing.assert_array_equal(rows[0], one.action_masks())
    assert not rows[0].all()


def test_an_sb3_learner_runs_and_logs_its_stays(core):
    env = sb3_env(core, 16, seed=0)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=64, n_epochs=1, seed=1, device="cpu")
    model.learn(256)
    assert len(model.ep_info_buffer) > 16 and {0.0, 1.0} == {e["r"] for e in model.ep_info_buffer}
    mean, _ = evaluate_policy(model, env, n_eval_episodes=40)
    assert 0 < mean < 1


def test_gymnasium_makes_the_registered_environments_synchronously_too():
    envs = gymnasium.make_vec("posology/Sepsis-v0", num_envs=2, vectorization_mode="sync", horizon=2)
    obs, _ = envs.reset(seed=4)
    ours = gymnasium.make_vec("posology/Sepsis-v0", num_envs=2, vectorization_mode="vector_entry_point", horizon=2)
    np.testing.assert_allclose(obs, ours.reset(seed=4)[0], atol=1e-6)
    assert torch.is_grad_enabled()
    envs.close()
