"""Quantiles of returns against known distributions, their tails, and the constraint that goes by them."""

import pytest
import torch
from posology.agents.mlp import MLP
from posology.agents.offline import Schedule
from posology.agents.records import LoggedData
from posology.agents.return_quantiles import ReturnQuantiles, ReturnQuantilesConfig, fit_return_quantiles, tail_loss
from posology.envs.score_limits import tail_risk

FAST = Schedule(epochs=12, updates=60, batch_size=512, patience=3)


def paid(make_logged, stays: int, seed: int):
    """One decision: 1 nine times in ten, anything up to 1, always .4, or a coin of .2 and .8, by action."""
    logged = make_logged(stays, seed, skill=0.0)
    luck = torch.rand(stays, 1, generator=torch.Generator().manual_seed(seed + 100))
    pays = torch.stack([(luck < 0.9).float(), luck, luck * 0 + 0.4, torch.where(luck < 0.5, 0.2, 0.8)], 2)
    return logged.replace(reward=pays.gather(2, logged.action[:, :, None])[:, :, 0])


@pytest.fixture(scope="module")
def critic(make_logged):
    data = LoggedData(paid(make_logged, 6000, 0), paid(make_logged, 1500, 1))
    config = ReturnQuantilesConfig(4, hidden=(32,), learning_rate=5e-3, schedule=FAST)
    return fit_return_quantiles(data, config, seed=0)


def test_the_worst_cases_of_known_distributions(critic, make_logged) -> None:
    obs = make_logged(4, 2).obs[:1, 0]
    expected = {0.2: [0.5, 0.1, 0.4, 0.2], 0.5: [0.8, 0.25, 0.4, 0.2], 1.0: [0.9, 0.5, 0.4, 0.5]}
    for share, worst in expected.items():
        torch.testing.assert_close(critic.tail_mean(obs, share)[0], torch.tensor(worst), atol=0.08, rtol=0)
    assert bool((critic.quantiles(obs).diff(dim=2) >= 0).all())


def test_the_mean_of_a_share_counts_parts_of_quantiles() -> None:
    """Four quantiles 3, 0, 1, 2 in any order: the worst three eighths are 0 and half of 1."""
    critic = ReturnQuantiles(MLP(((torch.zeros(4, 1), torch.tensor([3.0, 0.0, 1.0, 2.0])),)), 1)
    obs = torch.zeros(1, 1)
    assert float(critic.tail_mean(obs, 0.375)) == pytest.approx(0.5 / 1.5)
    assert float(critic.tail_mean(obs, 0.25)) == 0 and float(critic.tail_mean(obs, 1.0)) == 1.5
    with pytest.raises(ValueError, match="share"):
        critic.tail_mean(obs, 0.0)


def test_returns_count_what_is_still_to_come(make_logged) -> None:
    """Two decisions that pay 1 each: 2 is to come at the first, 1 at the second, and .5 less where it is discounted."""
    logged = make_logged(400, 0, steps=2, skill=1.0)
    logged = logged.replace(mask=torch.ones_like(logged.mask), reward=torch.ones_like(logged.reward))
    first = torch.arange(3)[None, :, None].expand(400, -1, 1).float()
    logged = logged.replace(obs=first, hours=torch.full_like(logged.hours, 4.0))
    for discount, per_hours, expected in ((1.0, None, 2.0), (0.25, 8.0, 1.5)):
        config = ReturnQuantilesConfig(
            4, hidden=(16,), learning_rate=1e-2, discount=discount, per_hours=per_hours, schedule=FAST
        )
        critic = fit_return_quantiles(LoggedData(logged, logged), config, seed=0)
        taken = logged.action.flatten().bincount().argmax()
        found = critic.tail_mean(torch.tensor([[0.0], [1.0]]), 0.2)[:, taken]
        torch.testing.assert_close(found, torch.tensor([expected, 1.0]), atol=0.1, rtol=0)


class Treated:
    """A treatment of four actions that shows the state as it is."""

    actions = 4

    def observe(self, state):
        return state.vitals


def test_the_constraint_forbids_doses_whose_worst_cases_lose_too_much(critic, identity_treatment) -> None:
    state = identity_treatment().admit(torch.zeros(3, 1))
    table = tail_risk(Treated(), tail_loss(critic, 0.2, best=1.0), limit=0.7).table(state)
    assert table.tolist() == [[True, False, True, False]] * 3
    strict = tail_risk(Treated(), tail_loss(critic, 0.2, best=1.0), limit=0.1).table(state)
    assert strict.sum(1).tolist() == [1, 1, 1] and bool(strict[:, 0].all())
