"""Off-policy estimates against plain loops: per decision, all estimators in the bootstrap, and fitted Q evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import exp

import numpy as np
import torch
from torch import nn

from ..evaluation.off_policy import (
    CriticConfig,
    Estimate,
    bootstrap_intervals,
    direct_method,
    doubly_robust,
    importance_sampling,
    magic,
    per_decision_estimates,
    per_decision_importance_sampling,
    weighted_doubly_robust,
    weighted_importance_sampling,
    weighted_per_decision_importance_sampling,
)
from ..evaluation.off_policy.critic_network import NetworkCritic, fit_network
from ..evaluation.off_policy.logged import Array
from ..evaluation.off_policy.resampling import counts
from ..evaluation.off_policy.transitions import Transitions
from .registry import Contest

STAYS, DECISIONS, DISCOUNT = 100_000, 20, 0.99
DRAWS, LOOPS = 1000, 10  # replicates of the candidate, and of the loop, in one round
FEATURES, ACTIONS, TRANSITIONS = 32, 25, 200_000
ROUNDS = 9


@dataclass(frozen=True)
class Cohort:
    """Logged stays with a critic of no merit; speed does not depend on it."""

    reward: Array
    log_ratio: Array
    mask: np.ndarray
    q: Array
    v: Array

    def plain(self) -> Mapping[str, Array]:
        """Without the critic."""
        return {"reward": self.reward, "log_ratio": self.log_ratio, "mask": self.mask}


def cohort(stays: int = STAYS) -> Cohort:
    """Stays that all last to the horizon, with mild ratios."""
    rng = np.random.default_rng(0)
    shape = (stays, DECISIONS)
    v = rng.normal(size=(stays, DECISIONS + 1))
    v[:, -1] = 0
    return Cohort(
        rng.normal(size=shape), rng.normal(-0.02, 0.2, shape), np.ones(shape, bool), rng.normal(size=shape), v
    )


def per_decision() -> Contest:
    """Per-decision importance sampling and doubly robust, by blocks of stays, against a loop over stays and decisions.

    The loop is as fast as one gets in plain Python: lists of floats, made beforehand, and `math.exp`, each estimator
    as its formula reads. Both estimates of the candidate come from one pass over arrays, whose checks are included.
    It is bound by memory: 66 MB of float64 are read, from main memory since the loop has filled the caches; with the
    arrays still in the last-level cache, as when many policies are judged on the same stays, it takes 0.6 of the time.
    """
    data = cohort()
    lists = [part.tolist() for part in (data.reward, data.log_ratio, data.mask, data.q, data.v)]

    def fast() -> list[float]:
        return [one.value for one in per_decision_estimates(**vars(data), discount=DISCOUNT).values()]

    def check() -> None:
        np.testing.assert_allclose(fast(), _both(lists), rtol=1e-9)

    return Contest(partial(_units, partial(_both, lists)), partial(_units, fast), check, "stays", goal=50)


def bootstrap() -> Contest:
    """All estimators in every resample: one matrix product against resampling stay by stay."""
    data = cohort()
    estimates = _estimates(data)

    def loop() -> int:
        rng = np.random.default_rng(1)
        for _ in range(LOOPS):
            _resampled(estimates, rng.integers(0, STAYS, STAYS))
        return LOOPS

    def fast() -> int:
        bootstrap_intervals(estimates, draws=DRAWS)
        return DRAWS

    def check() -> None:
        block = next(iter(counts(STAYS, 2, 0)))
        for row, times in enumerate(block[:2]):
            expected = _resampled(estimates, np.repeat(np.arange(STAYS), times.astype(int)))
            found = [estimate.resampled(2, 0)[row] for estimate in estimates.values()]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)

    return Contest(loop, fast, check, "replicates", goal=30)


def fitted_q() -> Contest:
    """Fitted Q evaluation: a whole fit in large minibatches, against one pass in batches of 256.

    The pass makes the target of each batch from a frozen network, as the algorithm reads.
    """
    data = transitions()
    goals = data.targets(data.returns(DECISIONS))

    def plain() -> int:
        _plain_pass(data)
        return len(data)

    def fast() -> int:
        fit_network(data, data.rows(torch.arange(len(data)) < 10 * DECISIONS), _FIT, 0, 0)
        return len(data) * (3 + ROUNDS)  # three passes towards the returns, then rounds

    def check() -> None:
        following = torch.zeros(len(data), dtype=torch.float64)
        value = data.returns(DECISIONS)
        for i in range(500):
            following[i] = data.reward[i] + (0.0 if data.last[i] else float(data.onward[i]) * float(value[i + 1]))
        torch.testing.assert_close(goals[:500], following[:500], rtol=1e-9, atol=1e-9)
        critic = fit_network(data, data.rows(torch.arange(len(data)) < 10 * DECISIONS), _FIT, 0, 0).critic
        assert isinstance(critic, NetworkCritic)

    return Contest(plain, fast, check, "transitions", goal=3)


_FIT = CriticConfig(members=1, hidden=(64, 64), rounds=ROUNDS, patience=ROUNDS, batch_size=4096)


def transitions() -> Transitions:
    """Made-up decisions of stays of 20."""
    random = torch.Generator().manual_seed(0)
    taken = torch.randint(0, ACTIONS, (TRANSITIONS,), generator=random)
    last = torch.arange(TRANSITIONS) % DECISIONS == DECISIONS - 1
    return Transitions(
        obs=torch.randn(TRANSITIONS, FEATURES, generator=random).double(),
        taken=nn.functional.one_hot(taken, ACTIONS).double(),
        wanted=torch.full((TRANSITIONS, ACTIONS), 1 / ACTIONS).double(),
        reward=torch.randn(TRANSITIONS, generator=random).double(),
        onward=torch.where(last, 0.0, DISCOUNT).double(),
        last=last,
        discrete=True,
    )


def _both(lists: list[list[list[float]]]) -> tuple[float, float]:
    """Each estimator as its formula reads, one after the other."""
    return _loop_plain(*lists[:3]) / STAYS, _loop_robust(*lists) / STAYS


def _loop_plain(reward: list[list[float]], ratio: list[list[float]], mask: list[list[float]]) -> float:
    total = 0.0
    for i in range(len(reward)):
        log, factor = 0.0, 1.0
        for t in range(DECISIONS):
            if not mask[i][t]:
                break
            log += ratio[i][t]
            total += factor * exp(log) * reward[i][t]
            factor *= DISCOUNT
    return total


def _loop_robust(
    reward: list[list[float]],
    ratio: list[list[float]],
    mask: list[list[float]],
    q: list[list[float]],
    v: list[list[float]],
) -> float:
    total = 0.0
    for i in range(len(reward)):
        log, factor = 0.0, 1.0
        total += v[i][0]
        for t in range(DECISIONS):
            if not mask[i][t]:
                break
            log += ratio[i][t]
            after = v[i][t + 1] if t + 1 < DECISIONS and mask[i][t + 1] else 0.0
            total += factor * exp(log) * (reward[i][t] + DISCOUNT * after - q[i][t])
            factor *= DISCOUNT
    return total


def _units(work: Callable[[], object]) -> int:
    work()
    return STAYS


def _estimates(data: Cohort) -> dict[str, Estimate]:
    plain = (importance_sampling, per_decision_importance_sampling, weighted_importance_sampling,
             weighted_per_decision_importance_sampling)  # fmt: skip
    robust = (doubly_robust, weighted_doubly_robust, magic)
    found = [f(**data.plain(), discount=DISCOUNT) for f in plain]
    found += [f(**vars(data), discount=DISCOUNT) for f in robust]
    return {estimate.name: estimate for estimate in (*found, direct_method(data.v))}


def _resampled(estimates: Mapping[str, Estimate], rows: np.ndarray) -> list[float]:
    """Every estimate on the stays `rows`, summed anew; a blend is blended anew from its sums."""
    values = []
    for estimate in estimates.values():
        part = estimate.totalled()
        assert part is not None
        columns, combine = part
        values.append(float(combine(columns[rows].sum(0, keepdims=True))[0]))
    return values


def _plain_pass(data: Transitions) -> None:
    network, frozen = (
        nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, ACTIONS))
        for _ in range(2)
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    inputs, taken, wanted = data.obs.float(), data.taken.argmax(1), data.wanted.float()
    reward, onward = data.reward.float(), data.onward.float()
    for rows in torch.randperm(len(inputs)).split(256):
        following = (rows + 1).clamp_max(len(inputs) - 1)  # onward is 0 where there is none
        with torch.no_grad():
            value = (frozen(inputs[following]) * wanted[following]).sum(1)
        found = network(inputs[rows]).gather(1, taken[rows, None])[:, 0]
        loss = nn.functional.mse_loss(found, reward[rows] + onward[rows] * value)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
