"""On-device PPO: its parts against closed forms, continuous doses, masks, budgets, discounts in hours, and resuming."""

import dataclasses
from pathlib import Path

import pytest
import torch
from posology.agents.actor_critic import ActorCritic
from posology.agents.advantages import advantages
from posology.agents.gaussian import GaussianPolicy
from posology.agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from posology.agents.mlp import MLP
from posology.agents.network import NetworkPolicy
from posology.agents.save import load_any_policy, load_policy, save_policy
from posology.agents.within_budget import best_within
from posology.trajectories.checkpoint import Checkpoint
from posology.trajectories.noise import ACTOR, normals, seeds

SMALL = MaskedPPOConfig(steps=12_000, beds=64, rollout=4)


def steps(reward: torch.Tensor, discount: float = 1.0, **ended: torch.Tensor) -> dict[str, torch.Tensor]:
    never = torch.zeros(reward.shape, dtype=torch.bool)
    return {
        "obs": torch.zeros(*reward.shape, 2),
        "action": torch.zeros(reward.shape, dtype=torch.int64),
        "log_prob": torch.zeros(reward.shape),
        "gain": reward[..., None],
        "discount": torch.full(reward.shape, discount),
        "terminated": ended.get("terminated", never),
        "truncated": ended.get("truncated", never),
    }


def test_advantages_are_the_exponential_sum_of_td_errors() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.randn(5, 3, generator=generator), torch.randn(6, 3, 1, generator=generator)
    found = advantages(steps(reward, 0.9), None, value, None, gae_lambda=0.8).advantage.reshape(5, 3)
    delta = reward + 0.9 * value[1:, :, 0] - value[:-1, :, 0]
    for t in range(5):
        expected = sum((0.9 * 0.8) ** (k - t) * delta[k] for k in range(t, 5))
        torch.testing.assert_close(found[t], expected)


@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_nothing_flows_back_across_the_end_of_a_stay(how: str) -> None:
    reward, value = torch.tensor([[1.0], [2.0], [4.0]]), torch.full((4, 1, 1), 10.0)
    ended = torch.tensor([[False], [True], [False]])
    found = advantages(steps(reward, **{how: ended}), None, value, None, gae_lambda=1.0)
    assert found.target.flatten().tolist() == [3, 2, 14]


def test_value_goes_on_at_the_horizon_only_where_it_is_asked() -> None:
    reward, value = torch.tensor([[1.0], [1.0]]), torch.zeros(3, 1, 1)
    beyond = torch.full((2, 1, 1), 5.0)
    for terminated, expected in ((False, [7, 6]), (True, [2, 1])):
        last = torch.tensor([[False], [True]])
        ended = {"truncated": last, "terminated": last & terminated}
        found = advantages(steps(reward, **ended), None, value, beyond, gae_lambda=1.0)
        assert found.target.flatten().tolist() == expected


def test_a_squashed_gaussian_has_the_density_of_what_it_draws(identity_treatment) -> None:
    policy = ActorCritic(identity_treatment(continuous=True), (8,), "tanh", 1).policy()
    assert isinstance(policy, GaussianPolicy)
    obs = torch.ones(1, policy.network.inputs)
    grid = torch.linspace(-1, 1, 4001)[1:-1, None]
    density = policy.log_prob(obs.expand(len(grid), -1), None, grid).exp()
    assert float(density.sum() * (2 / 4000)) == pytest.approx(1, abs=1e-3)
    rows = 20_000
    zero = torch.zeros(rows, dtype=torch.int64)
    drawn = policy.act(obs.expand(rows, -1), None, normals(seeds(0, rows), zero, zero, 1, stream=ACTOR))
    below = float((density[grid[:, 0] < 0.2]).sum() * (2 / 4000))
    assert float((drawn < 0.2).float().mean()) == pytest.approx(below, abs=0.015)


def test_learns_continuous_doses_and_saves_them(identity_treatment, tmp_path: Path) -> None:
    treatment = identity_treatment(continuous=True)
    policy = fit_masked_ppo(treatment, dataclasses.replace(SMALL, steps=25_000, learning_rate=3e-3), seed=0)
    rows = 400
    zero = torch.zeros(rows, dtype=torch.int64)
    state = treatment.admit(normals(seeds(0, rows), zero, zero, 1))
    obs = treatment.observe(state)
    action = policy.act(obs, None, torch.zeros(rows, 1))
    step = treatment.step(state, action, treatment.interval(state, action), torch.zeros(rows, 1))
    assert float(step.reward.mean()) > 0.97
    save_policy(policy, tmp_path / "policy")
    again = load_any_policy(tmp_path / "policy")
    assert torch.equal(again.act(obs, None, torch.ones(rows, 1)), policy.act(obs, None, torch.ones(rows, 1)))
    with pytest.raises(ValueError, match="use load_any_policy"):
        load_policy(tmp_path / "policy")


def test_a_masked_level_is_never_given_in_training_or_after(identity_treatment) -> None:
    given = []
    treatment = identity_treatment(forbidden=2)

    class Watched(type(treatment)):  # type: ignore[misc]
        def step(self, state, action, hours, noise):
            given.append(action)
            return super().step(state, action, hours, noise)

    policy = fit_masked_ppo(Watched(forbidden=2), dataclasses.replace(SMALL, steps=2000), seed=0)
    assert len(given) > 5 and not (torch.cat(given) == 2).any()
    state = treatment.admit(torch.zeros(3, 1))
    assert (policy.probs(treatment.observe(state), treatment.allowed(state))[:, 2] == 0).all()


def test_discounts_follow_hours(identity_treatment) -> None:
    """Two decisions of 12 h at a factor of .5 per 24 h: the first is worth .5^.5 of what follows, whatever is done."""
    config = dataclasses.replace(
        SMALL, discount=0.5, discount_hours=24.0, steps=20_000, gae_lambda=1.0, rollout=4, learning_rate=3e-3
    )
    treatment = identity_treatment(decisions=2, interval_hours=12.0, worth=(1.0,) * 4)
    values = []

    class Seen(ActorCritic):
        def policy(self):
            values.append(self.critic(torch.tensor([[1.0, 0, 0, 0, 1]])).item())
            return super().policy()

    import posology.agents.masked_ppo as module

    original, module.ActorCritic = module.ActorCritic, Seen  # type: ignore[misc]
    try:
        fit_masked_ppo(treatment, config, seed=0)
    finally:
        module.ActorCritic = original  # type: ignore[misc]
    first, second = 1 + 0.5**0.5, 1.0  # the observation does not tell which decision it is
    assert values[0] == pytest.approx((first + second) / 2, abs=0.06)


def test_a_budget_is_kept_by_its_multiplier(identity_treatment) -> None:
    """The best level costs 1: under a budget of .3 per stay it is given 30 % of the time."""
    treatment = identity_treatment(worth=(0.0, 1.0, 0.0, 0.0), charge=(0.0, 1.0, 0.0, 0.0))
    rates = {}
    for budget in (0.3, 2.0):
        config = dataclasses.replace(SMALL, steps=30_000, budgets=(("burden", budget),), entropy=0.02)
        policy = fit_masked_ppo(treatment, config, seed=0)
        obs = treatment.observe(treatment.admit(torch.zeros(1, 1)))
        rates[budget] = float(policy.probs(obs, None)[0, 1])
    assert rates[2.0] > 0.9
    assert rates[0.3] == pytest.approx(0.3, abs=0.1)


def test_an_unknown_budget_and_unequal_minibatches_are_refused(identity_treatment) -> None:
    with pytest.raises(KeyError, match="no constraint 'x' to budget; the treatment has: burden"):
        fit_masked_ppo(identity_treatment(), dataclasses.replace(SMALL, budgets=(("x", 1.0),)))
    with pytest.raises(ValueError, match="budget of 'burden': expected more than 0, got 0.0"):
        fit_masked_ppo(identity_treatment(), dataclasses.replace(SMALL, budgets=(("burden", 0.0),)))
    with pytest.raises(ValueError, match="do not split into 3 equal"):
        fit_masked_ppo(identity_treatment(), dataclasses.replace(SMALL, minibatches=3))


class Killed(BaseException):
    """As if the process had died."""


@pytest.mark.parametrize("continuous", [False, True])
def test_a_killed_training_ends_with_the_very_numbers_of_a_straight_one(
    identity_treatment, tmp_path: Path, continuous: bool
) -> None:
    treatment = identity_treatment(continuous=continuous, decisions=3)
    config = dataclasses.replace(SMALL, steps=3000, budgets=(("burden", 0.5),))
    straight = fit_masked_ppo(treatment, config, seed=1)

    def kill(done: float, message: str) -> None:
        if done > 0.4:
            raise Killed

    checkpoint = Checkpoint.within(tmp_path, every=0.0)
    with pytest.raises(Killed):
        fit_masked_ppo(treatment, config, seed=1, progress=kill, checkpoint=checkpoint)
    first = checkpoint.load()
    assert first is not None and 0 < first["update"] < 12
    resumed = fit_masked_ppo(treatment, config, seed=1, checkpoint=checkpoint)
    for name, value in straight.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_begins_at_a_given_policy(identity_treatment) -> None:
    start = fit_masked_ppo(identity_treatment(), SMALL, seed=0)
    assert isinstance(start, NetworkPolicy)
    again = fit_masked_ppo(identity_treatment(), dataclasses.replace(SMALL, learning_rate=0.0), start=start, seed=5)
    assert all(torch.equal(value, again.weights()[name]) for name, value in start.weights().items())
    with pytest.raises(ValueError, match="needs relu layers"):
        fit_masked_ppo(identity_treatment(), dataclasses.replace(SMALL, hidden=(8,)), start=start)


def test_curves_are_written(identity_treatment) -> None:
    curves: dict[str, list[tuple[int, float]]] = {}

    def log(tag: str, value: float, step: int) -> None:
        curves.setdefault(tag, []).append((step, value))

    config = dataclasses.replace(SMALL, steps=8000, budgets=(("burden", 0.5),))
    fit_masked_ppo(identity_treatment(), config, seed=0, log=log)
    assert {"train/reward_per_stay", "cost/burden", "multiplier/burden", "train/entropy"} <= set(curves)
    rewards = [value for _, value in curves["train/reward_per_stay"]]
    assert sum(rewards[-3:]) / 3 > 0.8 > rewards[0]
    assert [step for step, _ in curves["train/entropy"]] == [256 * (i + 1) for i in range(32)]


def test_whoever_watches_sees_the_policy_of_every_update_and_changes_nothing(identity_treatment) -> None:
    treatment, config = identity_treatment(), dataclasses.replace(SMALL, steps=2048)
    seen: list[tuple[int, NetworkPolicy]] = []

    def watch(decisions, policy):
        seen.append((decisions, policy()))

    watched, alone = fit_masked_ppo(treatment, config, watch=watch), fit_masked_ppo(treatment, config)
    assert [decisions for decisions, _ in seen] == list(range(256, 2049, 256))
    obs = torch.ones(1, treatment.observation_dim)
    probs = [policy.probs(obs, None) for _, policy in seen]
    assert torch.equal(probs[-1], watched.probs(obs, None)) and torch.equal(probs[-1], alone.probs(obs, None))
    assert not torch.equal(probs[0], probs[-1]), "a copy, which further training leaves alone"


def charged(identity_treatment):
    """The better a level pays the more it costs: 0, 1, 2 or 3."""
    return identity_treatment(worth=(0.0, 0.5, 0.8, 1.0), charge=(0.0, 1.0, 2.0, 3.0))


def always(action: int) -> NetworkPolicy:
    return NetworkPolicy(MLP(((torch.zeros(4, 5), torch.eye(4)[action] * 50),)))


def test_the_best_policy_within_its_budget_is_taken_and_else_the_least_over(identity_treatment) -> None:
    treatment = charged(identity_treatment)

    def chosen(budget: float, *actions: int) -> int:
        weights = [torch.tensor(float(action)) for action in actions]
        found = best_within(
            treatment, weights, lambda w: always(int(w)), torch.tensor([0]), torch.tensor([budget]), stays=20, seed=0
        )
        return int(found)

    assert chosen(2.5, 0, 1, 2, 3) == 2 and chosen(1.0, 3, 1, 0) == 1
    assert chosen(0.5, 3, 2, 1) == 1
    with pytest.raises(ValueError, match="at least one candidate"):
        chosen(1.0)


def test_training_under_a_budget_ends_with_what_was_tried(identity_treatment, monkeypatch) -> None:
    import posology.agents.masked_ppo as module

    seen = []

    def first(treatment, candidates, policy_of, columns, budgets, *, stays, seed):
        seen.append((len(candidates), stays, seed, budgets.tolist()))
        return candidates[0]

    monkeypatch.setattr(module, "best_within", first)
    config = dataclasses.replace(SMALL, steps=256 * 6, budgets=(("burden", 0.5),), candidates=3, tried_on=7)
    found = []
    policy = fit_masked_ppo(
        identity_treatment(), config, seed=0, watch=lambda step, now: found.append(now().weights()["0.weight"].clone())
    )
    assert len(found) == 6 and torch.equal(policy.weights()["0.weight"], found[3])
    assert not torch.equal(found[3], found[5])
    assert seen[0] == (3, 7, SMALL.beds, [0.5])
