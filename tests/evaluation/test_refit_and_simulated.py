"""Refitting the behaviour policy in the bootstrap, behaviour that differs by site, critics on features, and claims."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Decisions
from posology.evaluation.off_policy import (
    CriticConfig,
    Refit,
    bootstrap_intervals,
    estimate,
    fitted_q_evaluation,
    log_ratio,
    simulated_direct_method,
)
from posology.evaluation.off_policy.refit import resampled
from torch import Tensor

RNG = np.random.default_rng


@dataclass(frozen=True)
class Coin:
    """Two actions, the second with probability p, or p of the site."""

    p: float
    sites: tuple[float, ...] = field(default=())
    noise_dim: int = 1

    def at(self, site: Tensor) -> "Coins":
        return Coins(torch.tensor(self.sites)[site] if self.sites else torch.full(site.shape, self.p))

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        return torch.tensor([1 - self.p, self.p]).expand(len(obs), 2)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return (torch.special.ndtr(noise[:, 0]) < self.p).long()


@dataclass(frozen=True)
class Coins:
    p: Tensor
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        return torch.stack((1 - self.p, self.p), 1)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        raise AssertionError("not asked")


def cohort(stays: int, seed: int, p: tuple[float, ...] = (0.3,), decisions: int = 3) -> Decisions:
    rng = RNG(seed)
    site = rng.integers(0, len(p), stays)
    action = rng.random((stays, decisions)) < np.array(p)[site][:, None]
    reward = np.zeros(action.shape)
    reward[:, -1] = action.sum(1)
    return Decisions(
        obs=torch.zeros(stays, decisions + 1, 2),
        action=torch.as_tensor(action).long(),
        allowed=None,
        reward=torch.as_tensor(reward),
        hours=torch.full(action.shape, 4.0),
        mask=torch.ones(action.shape, dtype=torch.bool),
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays) // 2,
        site=torch.as_tensor(site),
        context=torch.zeros(stays, 0),
    )


def fit(train: Decisions) -> Coin:
    return Coin(float(train.action[train.mask].double().mean()))


NAMES = ["importance_sampling", "weighted_importance_sampling"]


def test_refitting_widens_intervals_by_what_fitting_leaves_open() -> None:
    """Forty stays to fit on: the fitted probability is the main thing unknown."""
    train, held_out = cohort(40, 0), cohort(2000, 1)
    behavior = fit(train)
    once = estimate(held_out, Coin(0.5), behavior, NAMES)
    again = estimate(held_out, Coin(0.5), behavior, NAMES, refit=Refit(fit, train, draws=200))
    for name in NAMES:
        assert again[name].value == once[name].value
        assert np.diff(again[name].interval()) > 1.3 * np.diff(once[name].interval())
        assert "fitted anew in each of 200" in again[name].notes[-1]
        assert bootstrap_intervals(again)[name] == again[name].interval()
    gap = again[NAMES[0]].minus(again[NAMES[1]])
    assert gap.drawn == pytest.approx(again[NAMES[0]].drawn - again[NAMES[1]].drawn)
    assert again[NAMES[0]].subset(np.arange(50)).drawn is None


def test_refitted_intervals_hold_the_truth_where_plain_ones_do_not() -> None:
    held = {"plain": 0, "refitted": 0}
    for seed in range(25):
        train, held_out = cohort(60, 2 * seed), cohort(800, 2 * seed + 1)
        name = "weighted_importance_sampling"
        plain = estimate(held_out, Coin(0.4), fit(train), [name])[name].interval(draws=200)
        full = estimate(held_out, Coin(0.4), fit(train), [name], refit=Refit(fit, train, 60))[name].interval()
        for kind, (low, high) in (("plain", plain), ("refitted", full)):
            held[kind] += low <= 1.2 <= high
    assert held["refitted"] >= 21 > held["plain"]


def test_a_blend_into_the_fitted_clinician_is_refitted_with_it() -> None:
    train, held_out = cohort(40, 3), cohort(500, 4)
    behavior = fit(train)
    blend = Blend(Coin(0.5), behavior, 0.0)  # nothing but the clinician: every ratio is 1, whoever was fitted
    found = estimate(held_out, blend, behavior, NAMES, refit=Refit(fit, train, 30))
    returns = held_out.reward.sum(1).mean()
    assert found[NAMES[0]].drawn.std() < 0.2 and found[NAMES[0]].drawn.mean() == pytest.approx(float(returns), abs=0.1)


def test_patients_are_drawn_whole() -> None:
    rows = resampled(np.array([5, 7, 5, 9, 9, 9]), RNG(0)).tolist()
    groups = {0: (0, 2), 2: (0, 2), 1: (1,), 3: (3, 4, 5), 4: (3, 4, 5), 5: (3, 4, 5)}
    assert all(rows.count(row) == rows.count(other) for row in rows for other in groups[row])


def test_refit_refuses_what_it_cannot_carry() -> None:
    data = cohort(20, 5)
    with pytest.raises(ValueError, match="ratios alone"):
        estimate(data, Coin(0.5), Coin(0.3), refit=Refit(fit, data), q=np.zeros((20, 3)), v=np.zeros((20, 4)))
    with pytest.raises(ValueError, match="at least two draws"):
        estimate(data, Coin(0.5), Coin(0.3), refit=Refit(fit, data, draws=1))


def test_behaviour_that_differs_by_site() -> None:
    """Ratios use each stay's own site; ignoring the sites leaves a bias that no interval shows."""
    data = cohort(6000, 6, p=(0.1, 0.7))
    sited, blind = Coin(0.4, sites=(0.1, 0.7)), Coin(0.4)
    p = np.array([0.1, 0.7])[data.site][:, None]
    expected = np.log(0.5) - np.log(np.where(data.action, p, 1 - p))
    assert log_ratio(data, Coin(0.5), sited) == pytest.approx(expected, abs=1e-6)
    right, wrong = (
        estimate(data, Coin(0.5), b, ["weighted_importance_sampling"])["weighted_importance_sampling"]
        for b in (sited, blind)
    )
    assert right.value == pytest.approx(1.5, abs=0.12) and abs(wrong.value - 1.5) > 0.2
    share = estimate(data, Blend(Coin(0.5), sited, 0.0), sited, NAMES)[NAMES[0]]
    assert share.value == pytest.approx(float(data.reward.sum(1).mean()))


def test_critics_may_go_by_features_that_the_policy_does_not_read() -> None:
    """The reward is a hidden thing that features tell and observations do not."""
    data = cohort(600, 7)
    hidden = torch.as_tensor(RNG(8).normal(size=(600, 4, 1)))
    data = data.replace(reward=torch.where(torch.arange(3) == 0, hidden[:, :-1, 0], 0.0))
    config = CriticConfig(kind="linear", ridge=1e-6, folds=2)
    blind = fitted_q_evaluation(data, Coin(0.5), config=config)
    time = torch.eye(4).double().expand(600, 4, 4)
    told = fitted_q_evaluation(data, Coin(0.5), features=(torch.cat((time, time * hidden), 2), None), config=config)
    assert np.corrcoef(blind.v[:, 0], hidden[:, 0, 0])[0, 1] < 0.3
    assert told.v[:, 0] == pytest.approx(hidden[:, 0, 0].numpy(), abs=1e-3)


def test_the_simulator_as_an_estimator() -> None:
    """In the true model it has the true value of the very patients asked about, and is model-based all the same."""
    from posology.envs import treatment as build
    from posology.evaluation.true_value import rollout_value
    from posology.trajectories.noise import ADMISSION, normals, seeds

    treatment = build("posology/Sepsis-v0")
    rows = seeds(40, 400)
    zero = torch.zeros_like(rows)
    first = treatment.admit(normals(rows, zero, zero, treatment.admit_noise_dim, stream=ADMISSION))

    @dataclass(frozen=True)
    class Nothing:
        noise_dim: int = 0

        def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
            return torch.zeros(len(obs), dtype=torch.int64)

        def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
            return torch.zeros(len(obs))

    found = simulated_direct_method(treatment, Nothing(), first, repeats=1, seed=40, cluster=np.arange(400) // 2)
    truth = rollout_value(treatment, Nothing(), 400, 40)
    assert found.num[:, 0] == pytest.approx(truth.returns)
    assert found.verdict == "model-based" and found.weight is None
    low, high = found.interval(draws=200)
    assert low < truth.value < high
    twice = simulated_direct_method(treatment, Nothing(), first, repeats=2, seed=40)
    assert twice.minus(simulated_direct_method(treatment, Nothing(), first, repeats=2, seed=40)).value == 0
    assert set(np.unique(twice.num)) <= {0.0, 0.5, 1.0} and (twice.num != found.num).any()
