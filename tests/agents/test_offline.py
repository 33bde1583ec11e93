"""Agents that learn from records: the pieces they share, and what each is for."""

import dataclasses

import pytest
import torch
from posology.agents.batch_constrained import BatchConstrainedConfig, SupportedPolicy, fit_batch_constrained, likely
from posology.agents.cloning import CloningConfig, fit_cloning
from posology.agents.conservative_q import ConservativeQConfig, fit_conservative_q, overestimation
from posology.agents.double_q import DoubleQConfig, fit_double_q
from posology.agents.dueling import DuelingNetwork, double_target
from posology.agents.gaussian import GaussianPolicy
from posology.agents.implicit_q import ImplicitQConfig, expectile_loss, fit_implicit_q
from posology.agents.mlp import MLP
from posology.agents.offline import Draws, Schedule, Told, learn_until
from posology.agents.records import LoggedData
from posology.agents.replay import best_allowed, replay_of
from posology.agents.save import save_policy
from posology.agents.td3_bc import TD3BCConfig, fit_td3_bc
from posology.contracts import Decisions, silent
from posology.trajectories.checkpoint import NOWHERE, Checkpoint
from safetensors.torch import load_file

ACTIONS = 3
SHORT = Schedule(epochs=5, updates=15, batch_size=128)
LONG = Schedule(epochs=12, updates=40, batch_size=256)


def two_steps(stays: int, seed: int = 0, *, allowed: bool = False) -> Decisions:
    """Two decisions; the first leads to the good state (1) under action 2, rarely tried, and only the end pays."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.multinomial(torch.tensor([0.5, 0.4, 0.1]), stays, True, generator=generator)
    second = torch.randint(ACTIONS, (stays,), generator=generator)
    good = (first == 2).float()
    state = torch.stack([torch.zeros(stays), good + 1, torch.full((stays,), 3.0)], 1).long()
    pays = good * (second == 1)
    mask = torch.ones(stays, 2, dtype=torch.bool)
    mask[::7, 1] = False
    reward = torch.stack([torch.zeros(stays), pays], 1) * mask
    return Decisions(
        obs=torch.nn.functional.one_hot(state, 4).float(),
        action=torch.stack([first, second], 1),
        allowed=torch.tensor([True, True, True]).expand(stays, 3, 3) if allowed else None,
        reward=reward,
        hours=torch.full((stays, 2), 4.0) * mask,
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


def test_transitions_end_where_stays_end_and_bound_the_values():
    logged = two_steps(14)
    replay = replay_of(logged, discount=0.9)
    assert len(replay) == int(logged.mask.sum()) == 26
    length = logged.mask.sum(1)
    ends = torch.cat([torch.arange(int(n)) == n - 1 for n in length])
    assert torch.equal(replay.onward == 0, ends) and bool((replay.onward[~ends] == torch.tensor(0.9)).all())
    assert torch.equal(replay.next_obs[0], logged.obs[1 - 1, 1])
    assert (replay.low, replay.high) == (0.0, pytest.approx(float(logged.reward.max())))
    assert replay.bounded(torch.tensor([-3.0, 7.0])).tolist() == [replay.low, replay.high]
    by_time = replay_of(logged, discount=0.9, per_hours=8.0)
    assert float(by_time.onward.max()) == pytest.approx(0.9**0.5)


def test_what_cannot_be_learned_from_is_refused():
    empty = two_steps(4)
    with pytest.raises(ValueError, match="at least one decision"):
        replay_of(empty.replace(mask=torch.zeros_like(empty.mask)))
    with pytest.raises(ValueError, match="discount"):
        replay_of(two_steps(4), discount=0.0)
    records = LoggedData(two_steps(40), two_steps(20, 1))
    with pytest.raises(ValueError, match="caution"):
        fit_conservative_q(records, ConservativeQConfig(ACTIONS, caution=0.0))
    with pytest.raises(ValueError, match="threshold"):
        fit_batch_constrained(records, BatchConstrainedConfig(ACTIONS, threshold=2.0))
    with pytest.raises(ValueError, match="continuous"):
        fit_td3_bc(records, TD3BCConfig())
    only_none = torch.tensor([True, False, False]).expand(40, 3, 3)
    forbidden = records.train.replace(allowed=only_none, action=torch.ones_like(records.train.action))
    with pytest.raises(ValueError, match="forbidden by the mask"):
        fit_cloning(LoggedData(forbidden, forbidden), CloningConfig(ACTIONS))


def test_a_dueling_network_is_a_plain_one():
    network = DuelingNetwork(5, 4, (8, 6), "tanh")
    obs = torch.randn(20, 5)
    torch.testing.assert_close(network.folded()(obs), network(obs).detach(), atol=1e-5, rtol=1e-5)
    worth = network.worth(network.act(network.trunk(obs)))[:, 0]
    torch.testing.assert_close(network(obs).mean(1), worth, atol=1e-5, rtol=1e-5)


def test_double_targets_choose_by_one_network_and_value_by_the_other():
    batch = replay_of(two_steps(30))
    fast = torch.nn.Linear(4, ACTIONS)
    slow = torch.nn.Linear(4, ACTIONS)
    with torch.no_grad():
        fast.weight.zero_()
        fast.bias.copy_(torch.tensor([0.0, 5.0, 9.0]))
        slow.weight.zero_()
        slow.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    target = double_target(fast, slow, batch)
    assert torch.allclose(target, batch.bounded(batch.reward + batch.onward * 0.3))
    likely_ones = torch.tensor([True, True, False]).expand(len(batch), -1)
    assert torch.allclose(
        double_target(fast, slow, batch, likely_ones), batch.bounded(batch.reward + batch.onward * 0.2)
    )


@pytest.mark.parametrize(
    ("fit", "config"),
    [
        (fit_double_q, DoubleQConfig(ACTIONS, learning_rate=3e-3, schedule=LONG)),
        (fit_conservative_q, ConservativeQConfig(ACTIONS, caution=0.02, learning_rate=3e-3, schedule=LONG)),
        (fit_implicit_q, ImplicitQConfig(ACTIONS, expectile=0.9, learning_rate=3e-3, schedule=LONG)),
    ],
)
def test_value_learners_see_through_to_the_end(fit, config):
    """Clinicians rarely take the first action that makes the last one pay; learners of values find it."""
    policy = fit(LoggedData(two_steps(1500), two_steps(500, 1)), config, seed=0)
    states = torch.eye(4)
    assert int(policy.probs(states, None)[0].argmax()) == 2
    assert int(policy.probs(states, None)[2].argmax()) == 1


def test_batch_constraint_forgoes_what_clinicians_rarely_do():
    records = LoggedData(two_steps(1500), two_steps(500, 1))
    free, bound = (
        fit_batch_constrained(records, BatchConstrainedConfig(ACTIONS, threshold=t, learning_rate=3e-3, schedule=LONG))
        for t in (0.02, 0.5)
    )
    states = torch.eye(4)
    assert int(free.act(states, None, states)[0]) == 2 and int(bound.act(states, None, states)[0]) in (0, 1)
    only = torch.tensor([[False, False, True]]).expand(4, -1)
    assert bound.act(states, only, states).tolist() == [2, 2, 2, 2]


def test_likely_is_relative_to_the_likeliest_allowed_action():
    logits = torch.tensor([[0.6, 0.3, 0.1]]).log()
    assert likely(logits, None, 0.4).tolist() == [[True, True, False]]
    assert likely(logits, torch.tensor([[False, True, True]]), 0.3).tolist() == [[False, True, True]]
    assert likely(logits, torch.tensor([[False, True, True]]), 0.4).tolist() == [[False, True, False]]
    policy = SupportedPolicy(
        MLP(((torch.zeros(3, 2), torch.tensor([0.0, 1.0, 9.0])),)), MLP(((torch.zeros(3, 2), logits[0]),)), 0.4
    )
    assert policy.act(torch.zeros(1, 2), None, torch.zeros(1, 1)).tolist() == [1]


def test_cloning_leaves_out_what_a_mask_forbids():
    logged = two_steps(800, allowed=True)
    mask = logged.allowed.clone()
    mask[:, :, 0] = False
    records = LoggedData(logged.replace(allowed=mask), logged.replace(allowed=mask))
    policy = fit_cloning(records, CloningConfig(ACTIONS, schedule=LONG))
    probs = policy.probs(torch.eye(4)[:1], mask[:1, 0])[0]
    assert probs[0] == 0 and float(probs[1]) == pytest.approx(0.8, abs=0.05)


def test_overestimation_and_expectiles_by_hand():
    batch = replay_of(two_steps(2)).pick(torch.tensor([0]))
    values = torch.tensor([[1.0, 2.0, 0.0]])
    taken = dataclasses.replace(batch, action=torch.tensor([1]))
    assert float(overestimation(values, taken)) == pytest.approx(float(values.logsumexp(1)) - 2)
    masked = dataclasses.replace(taken, allowed=torch.tensor([[False, False, True]]))
    assert float(overestimation(values, masked)) == pytest.approx(float(values[:, 1:].logsumexp(1)) - 2)
    error = torch.tensor([2.0, -1.0])
    assert float(expectile_loss(error, 0.9)) == pytest.approx((0.9 * 4 + 0.1 * 1) / 2)
    assert best_allowed(values, torch.tensor([[True, False, True]])).tolist() == [0]


def doses(stays: int, seed: int) -> Decisions:
    """One decision whose right dose is in the observation; clinicians give it too small and noisy."""
    generator = torch.Generator().manual_seed(seed)
    need = torch.rand(stays, 1, generator=generator) - 0.5
    given = (need - 0.25 + 0.25 * torch.randn(stays, 1, generator=generator)).clamp(-1, 1)
    reward = 1 - (given - need).square().sum(1, keepdim=True)
    return Decisions(
        obs=torch.stack([need, need], 1),
        action=given[:, None],
        allowed=None,
        reward=reward,
        hours=torch.full((stays, 1), 4.0),
        mask=torch.ones(stays, 1, dtype=torch.bool),
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


def test_td3_bc_moves_from_the_record_towards_what_pays():
    records = LoggedData(doses(2000, 0), doses(500, 1))
    need = torch.linspace(-0.4, 0.4, 50)[:, None]
    bias = {}
    for greed in (0.0, 2.5):
        policy = fit_td3_bc(records, TD3BCConfig(greed=greed, learning_rate=3e-3, schedule=LONG), seed=0)
        bias[greed] = float((policy.act(need, None, torch.zeros(50, 1)) - need).mean())
    assert bias[0.0] == pytest.approx(-0.25, abs=0.06) and abs(bias[2.5]) < 0.8 * abs(bias[0.0])


@pytest.mark.parametrize(
    ("settle", "told", "kept"),
    [(0, [3, 1, 2, 2, 2], 1.0), (3, [3, 1, 2, 4, 2, 5, 5], 4.0), (9, [3, 1, 2, 4, 2, 5, 5, 0], 7.0)],
)
def test_learning_stops_by_tuning_patients_once_it_has_settled_and_keeps_the_best(settle, told, kept):
    module = torch.nn.Linear(1, 1)
    heard, losses = [], iter([3.0, 1.0, 2.0, 2.0, 2.0] if settle == 0 else [3.0, 1.0, 2.0, 4.0, 2.0, 5.0, 5.0, 0.0])

    def update(rows):
        assert int(rows.max()) < 10
        with torch.no_grad():
            module.bias.fill_(len(heard))

    def criterion():
        heard.append(next(losses))
        return heard[-1]

    plan = Schedule(epochs=8, updates=1, batch_size=4, patience=3 if settle == 0 else 2, settle=settle)
    learn_until(
        update, criterion, {"m": module}, rows=10, schedule=plan, seed=0, told=Told(silent, ""), checkpoint=NOWHERE
    )
    assert heard == told and module.bias.item() == kept


class KilledError(Exception):
    """Stands for a process that is killed."""


@pytest.mark.parametrize(
    ("fit", "config", "make"),
    [
        (fit_implicit_q, ImplicitQConfig(ACTIONS, schedule=SHORT), two_steps),
        (fit_td3_bc, TD3BCConfig(schedule=SHORT), doses),
    ],
)
def test_a_killed_learner_goes_on_to_the_same_policy(fit, config, make, tmp_path):
    records = LoggedData(make(300, 0), make(100, 1))
    straight = fit(records, config, seed=4)
    place = Checkpoint(tmp_path / "learner.safetensors", every=0.0)

    def kill(done, message):
        if done > 0.45:
            raise KilledError

    with pytest.raises(KilledError):
        fit(records, config, seed=4, progress=kill, checkpoint=place)
    again = fit(records, config, seed=4, checkpoint=place)
    for name, weight in straight.weights().items():
        assert torch.equal(weight, again.weights()[name]), name


def test_draws_go_on_where_they_were():
    draws = Draws(3)
    draws(5)
    state = draws.state_dict()
    later = Draws(9)
    later.load_state_dict(state)
    assert torch.equal(draws(4), later(4))


def test_continuous_doses_are_saved_and_given_again(tmp_path):
    policy = fit_td3_bc(LoggedData(doses(200, 0), doses(50, 1)), TD3BCConfig(schedule=SHORT), seed=1)
    save_policy(policy, tmp_path / "policy")
    again = GaussianPolicy.restore(policy.settings(), load_file(tmp_path / "policy" / "weights.safetensors"))
    obs, noise = torch.linspace(-1, 1, 20)[:, None], torch.randn(20, 1)
    given = policy.act(obs, None, noise)
    assert torch.equal(again.act(obs, None, noise), given) and given.abs().max() < 1
    same = fit_td3_bc(LoggedData(doses(200, 0), doses(50, 1)), TD3BCConfig(schedule=SHORT), seed=1)
    assert torch.equal(same.act(obs, None, noise), given)
