"""What every registered environment obeys, in each of its shells."""

import gymnasium
import numpy as np
import pytest
import stable_baselines3.common.env_checker
import torch
from gymnasium.utils.env_checker import check_env
from posology.contracts import IN_CARE
from posology.envs import sb3_env
from posology.trajectories.noise import ADMISSION, normals, seeds

ROWS, HORIZON, STEPS = 5, 6, 16


@pytest.fixture
def short(name, options):
    """Keywords of an environment with a short horizon, so that resets come soon."""
    return {**options, "horizon": HORIZON}


def make_vec(name, rows, options):
    return gymnasium.make_vec(name, num_envs=rows, vectorization_mode="vector_entry_point", **options)


def singles(name, options, first_seed, actions):
    """Each column of actions played by a single environment that resets itself: obs, reward, ends, final obs, costs."""
    columns = []
    for row in range(actions.shape[1]):
        env = gymnasium.make(name, **options)
        path = [(env.reset(seed=first_seed + row)[0], 0.0, False, False, None, None)]
        for action in actions[:, row]:
            obs, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            final = obs if over else None
            path.append((env.reset()[0] if over else obs, reward, terminated, truncated, final, info["costs"]))
        columns.append(path)
    return columns


def test_check_env(name, options):
    check_env(gymnasium.make(name, **options).unwrapped, skip_render_check=True)


def test_sb3_check_env(name, options):
    stable_baselines3.common.env_checker.check_env(gymnasium.make(name, **options), warn=True)


def test_vector_rows_equal_single_environments_with_resets_out_of_step(name, short, actions_for, ends_early):
    actions = actions_for(STEPS, ROWS)
    expected = singles(name, short, 20, actions)
    env = make_vec(name, ROWS, short)
    obs, _ = env.reset(seed=20)
    ends = set()
    for t in range(STEPS + 1):
        for row in range(ROWS):
            np.testing.assert_allclose(obs[row], expected[row][t][0], atol=1e-5)
        if t == STEPS:
            break
        obs, reward, terminated, truncated, infos = env.step(actions[t])
        for row in range(ROWS):
            _, r, term, trunc, final, costs = expected[row][t + 1]
            assert (terminated[row], truncated[row]) == (term, trunc)
            np.testing.assert_allclose(reward[row], r, atol=1e-5)
            np.testing.assert_allclose(infos["costs"][row], costs, atol=1e-5)
            if final is not None:
                ends.add(t)
                assert infos["_final_obs"][row] and infos["_final_info"][row]
                np.testing.assert_allclose(infos["final_obs"][row], final, atol=1e-5)
                np.testing.assert_allclose(infos["final_info"]["costs"][row], costs, atol=1e-5)
    resets = STEPS // HORIZON
    assert len(ends) > resets if ends_early else len(ends) == resets, "no reset came out of step"


def test_sb3_rows_equal_the_vector_environment(name, short, actions_for):
    actions = actions_for(STEPS, ROWS, seed=1)
    vec, sb3 = make_vec(name, ROWS, short), sb3_env(name, ROWS, seed=3, **short)
    np.testing.assert_array_equal(vec.reset(seed=3)[0], sb3.reset())
    returns, lengths, stays = np.zeros(ROWS), np.zeros(ROWS), 0
    for action in actions:
        obs, reward, terminated, truncated, infos = vec.step(action)
        sb3_obs, sb3_reward, dones, sb3_infos = sb3.step(action)
        np.testing.assert_array_equal(obs, sb3_obs)
        np.testing.assert_array_equal(reward.astype(np.float32), sb3_reward)
        np.testing.assert_array_equal(terminated | truncated, dones)
        returns, lengths = returns + reward, lengths + 1
        for row, info in enumerate(sb3_infos):
            np.testing.assert_array_equal(info["costs"], infos["costs"][row])
            assert "TimeLimit.truncated" not in info
            assert ("terminal_observation" in info) == dones[row]
            if dones[row]:
                stays += 1
                np.testing.assert_array_equal(info["terminal_observation"], infos["final_obs"][row])
                assert info["outcome"] == infos["final_info"]["outcome"][row]
                assert (info["episode"]["r"], info["episode"]["l"]) == (returns[row], lengths[row])
        returns[dones], lengths[dones] = 0, 0
    assert stays >= ROWS


def test_a_row_depends_on_its_own_seed_only(name, short, actions_for):
    ours, theirs = make_vec(name, 3, short), make_vec(name, 4, short)
    a, _ = ours.reset(seed=[7, 8, 9])
    b, _ = theirs.reset(seed=[100, 2, 8, 55])
    for action in actions_for(STEPS, 4, seed=2):
        np.testing.assert_allclose(a[1], b[2], atol=1e-5)
        a = ours.step(np.array([action[0], action[1], action[2]]))[0]
        b = theirs.step(np.array([action[3], action[0], action[1], action[2]]))[0]


def test_same_seed_same_path(name, short, actions_for):
    env = make_vec(name, ROWS, short)
    paths = []
    for _ in range(2):
        path = [env.reset(seed=11)[0]] + [env.step(action)[0] for action in actions_for(STEPS, ROWS)]
        paths.append(np.stack(path))
    np.testing.assert_array_equal(*paths)
    assert not np.array_equal(paths[0][0], env.reset(seed=12)[0])


def test_outcomes_terminate_and_only_the_horizon_truncates(name, short, actions_for, ends_early, irregular):
    env = make_vec(name, 32, short)
    env.reset(seed=0)
    decisions = np.zeros(32, dtype=int)
    seen = set()
    for action in actions_for(2 * STEPS, 32):
        _, _, terminated, truncated, infos = env.step(action)
        decisions += 1
        np.testing.assert_array_equal(terminated, infos["outcome"] != IN_CARE)
        last = ~terminated & (decisions == HORIZON)
        np.testing.assert_array_equal(last, truncated & last if irregular else truncated)
        assert not (truncated & terminated).any() and decisions.max() <= HORIZON
        seen |= {*terminated.tolist(), *(["horizon"] if truncated.any() else [])}
        decisions[terminated | truncated] = 0
    assert seen == ({True, False, "horizon"} if ends_early else {False, "horizon"})


def test_observations_are_fresh_and_within_the_space(name, short, actions_for):
    env, sb3, one = make_vec(name, ROWS, short), sb3_env(name, ROWS, seed=0, **short), gymnasium.make(name, **short)
    kept = [env.reset(seed=0)[0], sb3.reset(), one.reset(seed=0)[0]]
    copies = [obs.copy() for obs in kept]
    for action in actions_for(3, ROWS):
        alone = one.step(action[0])
        later = [env.step(action)[0], sb3.step(action)[0], alone[0]]
        if alone[2] or alone[3]:
            one.reset()
        for old, copy, new in zip(kept, copies, later, strict=True):
            np.testing.assert_array_equal(old, copy)
            assert not np.shares_memory(old, new)
        assert env.observation_space.contains(later[0]) and one.observation_space.contains(later[2])
        for new in later:
            new[:] = 1e9  # must not reach the next step
        kept, copies = later, [obs.copy() for obs in later]
        assert np.abs(env.step(action)[0]).max() <= 8


def test_the_core_is_pure(core, actions_for):
    rows = seeds(0, ROWS)
    zero = torch.zeros_like(rows)
    state = core.admit(normals(rows, zero, zero, core.admit_noise_dim, stream=ADMISSION))
    before = {name: value.clone() for name, value in vars(state).items()}
    action, noise = torch.as_tensor(actions_for(1, ROWS)[0]), normals(rows, zero, zero, core.noise_dim)
    first = core.step(state, action, core.interval(state, action), noise)
    second = core.step(state, action, core.interval(state, action), noise)
    for name, value in before.items():
        assert torch.equal(getattr(state, name), value), name
        assert torch.equal(getattr(first.state, name), getattr(second.state, name)), name
    assert first.reward.shape == (ROWS,) and first.costs.shape == (ROWS, len(core.constraints))
    assert torch.allclose(core.encode(state, core.decode(state, action)), action, atol=1e-5)
    assert core.observe(state).shape == (ROWS, core.observation_dim)


def test_privileged_memory_on_request_only(name, short, actions_for):
    for options, expected in ((short, False), ({**short, "privileged": True}, True)):
        vec, sb3, one = (
            make_vec(name, ROWS, options),
            sb3_env(name, ROWS, seed=0, **options),
            gymnasium.make(name, **options),
        )
        sb3.reset()
        infos = [vec.reset(seed=0)[1], one.reset(seed=0)[1], sb3.reset_infos[0]]
        action = actions_for(1, ROWS)[0]
        together, alone = vec.step(action), one.step(action[0])
        infos += [together[4], alone[4], sb3.step(action)[3][0]]
        assert [("privileged" in info) for info in infos] == [expected] * 6
        if expected and not (alone[2] or alone[3]):  # a bed that ended shows its next patient
            np.testing.assert_allclose(infos[3]["privileged"][0], infos[4]["privileged"], rtol=1e-5, atol=1e-5)
