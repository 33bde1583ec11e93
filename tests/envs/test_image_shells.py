"""Pictures as observations: the same in every shell, and what Stable-Baselines3 learns from."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from posology.envs import sb3_env
from stable_baselines3 import PPO

ROWS, HORIZON, STEPS = 4, 3, 7
CASES = {"posology/SepsisImaging-v0": {}, "posology/Tumor-v0": {"imaging": True, "scan_weeks": 2}}


@pytest.fixture(params=CASES)
def made(request):
    """Name, and the options of an environment of pictures with a short horizon."""
    return request.param, {**CASES[request.param], "observation": "image", "horizon": HORIZON}


def actions(name: str, seed: int = 0) -> np.ndarray:
    high = 25 if "Sepsis" in name else 10
    return np.random.default_rng(seed).integers(0, high, (STEPS, ROWS))


def same(a, b) -> None:
    """Equal but for rounding: a grey level may round either way in another batch."""
    assert set(a) == set(b) == {"image", "age", "vector"}
    assert a["image"].dtype == np.uint8 and a["image"].shape == b["image"].shape
    assert np.abs(a["image"].astype(int) - b["image"]).max() <= 1
    np.testing.assert_allclose(a["age"], b["age"], atol=1e-5)
    np.testing.assert_allclose(a["vector"], b["vector"], atol=1e-3)


def test_rows_of_the_vector_environment_are_single_environments(made):
    name, options = made
    chosen, alone = actions(name), [gymnasium.make(name, **options) for _ in range(ROWS)]
    check_env(alone[0].unwrapped, skip_render_check=True)
    env = gymnasium.make_vec(name, num_envs=ROWS, vectorization_mode="vector_entry_point", **options)
    obs, _ = env.reset(seed=20)
    single = [one.reset(seed=20 + row)[0] for row, one in enumerate(alone)]
    for step in range(STEPS):
        assert env.observation_space.contains(obs)
        for row in range(ROWS):
            same({name: column[row] for name, column in obs.items()}, single[row])
        obs, _, terminated, truncated, infos = env.step(chosen[step])
        for row, one in enumerate(alone):
            single[row], _, ended, over, _ = one.step(chosen[step][row])
            assert (ended, over) == (terminated[row], truncated[row])
            if ended or over:
                same(infos["final_obs"][row], single[row])
                single[row] = one.reset()[0]


def test_the_sb3_environment_shows_what_the_vector_environment_does(made):
    name, options = made
    vec = gymnasium.make_vec(name, num_envs=ROWS, vectorization_mode="vector_entry_point", **options)
    sb3 = sb3_env(name, ROWS, seed=3, **options)
    assert sb3.observation_space == vec.single_observation_space
    a, b = vec.reset(seed=3)[0], sb3.reset()
    ends = 0
    for chosen in actions(name, seed=1):
        for part in a:
            np.testing.assert_array_equal(a[part], b[part])
        a, _, terminated, truncated, infos = vec.step(chosen)
        b, _, dones, sb3_infos = sb3.step(chosen)
        for row in np.flatnonzero(dones):
            ends += 1
            same(sb3_infos[row]["terminal_observation"], infos["final_obs"][row])
        b["image"][:] = 0  # a fresh array: it must not reach the next step
        b = {**b, "image": a["image"]}
    assert ends >= ROWS and terminated.shape == truncated.shape


def test_multi_input_policy_learns_from_many_patients_at_once(made):
    name, options = made
    env = sb3_env(name, 8, seed=0, **options)
    model = PPO("MultiInputPolicy", env, n_steps=4, batch_size=16, n_epochs=1, device="cpu", seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(64)
    changed = [not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True)]
    assert all(changed) and len(model.ep_info_buffer) > 8
    action, _ = model.predict(env.reset(), deterministic=True)
    assert action.shape == (8,)


def test_what_cannot_be_seen_is_refused():
    with pytest.raises(ValueError, match="scans"):
        sb3_env("posology/Sepsis-v0", 2, observation="image")
    with pytest.raises(ValueError, match="'vector' or 'image'"):
        gymnasium.make("posology/Sepsis-v0", observation="pixels")
