"""Sites that treat alike patients differently: when they are told apart, and what odd sites come to."""

import itertools
import math

import pytest
import torch
from posology.agents.behavior import BehaviorConfig, BehaviorPolicy, fit_behavior, fit_sites, told_apart
from posology.agents.support import unsupported_share
from posology.contracts import Blend, Decisions
from posology.evaluation.off_policy import behavior_refits, estimate

WIS = "weighted_importance_sampling"
STEPS, ACTIONS = 4, 2
MORE = (-1.4, 0.0, 1.4)  # log odds of treating at each site
SETTINGS = BehaviorConfig(ACTIONS, kind="logistic")


def logits(obs: torch.Tensor, site: torch.Tensor) -> torch.Tensor:
    return 0.5 * obs + torch.tensor(MORE)[site][:, None]


def cohort(stays: int, seed: int, sites: tuple[int, ...] = (0, 1, 2)) -> Decisions:
    """Stays of several sites, of alike patients; each treatment is worth a quarter, all four of them two more."""
    g = torch.Generator().manual_seed(seed)
    site = torch.tensor(sites)[torch.randint(0, len(sites), (stays,), generator=g)]
    obs = torch.randn(stays, STEPS + 1, generator=g)
    action = (torch.rand(stays, STEPS, generator=g) < logits(obs[:, :-1], site.clamp(0, 2)).sigmoid()).long()
    reward = 0.25 * action
    reward[:, -1] += 2.0 * (action.sum(1) == STEPS)
    return Decisions(
        obs=obs[..., None],
        action=action,
        allowed=None,
        reward=reward,
        hours=torch.full((stays, STEPS), 4.0),
        mask=torch.ones(stays, STEPS, dtype=torch.bool),
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=site,
        context=torch.zeros(stays, 0),
    )


class Clinicians:
    """Who really treated."""

    noise_dim = 1

    def __init__(self, site: torch.Tensor | None = None):
        self.site = site

    def at(self, site):
        return Clinicians(site)

    def log_prob(self, obs, allowed, action):
        p = logits(obs, self.site)[:, 0].sigmoid()
        return torch.where(action == 1, p, 1 - p).log()

    def act(self, obs, allowed, noise):
        raise AssertionError("not asked")


class Half:
    """Treats every second time."""

    noise_dim = 1

    def probs(self, obs, allowed):
        return torch.full((len(obs), ACTIONS), 0.5)

    def log_prob(self, obs, allowed, action):
        return torch.full((len(obs),), math.log(0.5))

    def act(self, obs, allowed, noise):
        return (noise[:, 0] < 0).long()


def value_of_half() -> float:
    """By enumeration of the sixteen courses, all alike."""
    courses = list(itertools.product((0, 1), repeat=STEPS))
    return sum(0.25 * sum(c) + 2.0 * (sum(c) == STEPS) for c in courses) / len(courses)


@pytest.fixture(scope="module")
def data() -> tuple[Decisions, Decisions, Decisions]:
    return cohort(3000, 0), cohort(800, 1), cohort(4000, 2)


@pytest.fixture(scope="module")
def plain(data) -> BehaviorPolicy:
    return fit_behavior(data[0], data[1], SETTINGS)


def test_an_estimate_with_effects_of_sites_is_closer_to_the_truth(data, plain) -> None:
    """Sites make the doses of a stay alike: a policy that knows none multiplies probabilities that do not belong."""
    sited = fit_sites(plain, data[0], data[1])
    blind, knowing, exact = (estimate(data[2], Half(), p, [WIS])[WIS] for p in (plain, sited, Clinicians()))
    truth = value_of_half()
    assert abs(knowing.value - exact.value) < 0.03 and abs(exact.value - truth) < 0.08 < 0.15 < blind.value - truth
    low, high = blind.interval()
    assert truth < low, "nor does its interval tell"
    assert abs(blind.mean_weight - 1) < 0.02, "nor its mean weight"


def test_refits_fit_the_effects_anew(data, plain) -> None:
    def fit(train: Decisions, tuning: Decisions, seed: int):
        return fit_sites(fit_behavior(train, tuning, SETTINGS, seed=seed), train, tuning)

    sited = fit_sites(plain, data[0], data[1])
    refits = behavior_refits(fit, data[0].rows(torch.arange(600)), data[1], 3)
    assert len({float(one.effect[0, 0]) for one in refits}) == 3
    held = data[2].rows(torch.arange(600))
    once = estimate(held, Half(), sited, [WIS])[WIS].interval()
    anew = estimate(held, Half(), sited, [WIS], refits=refits)[WIS].interval()
    assert anew[1] - anew[0] > once[1] - once[0]


def test_the_clinicians_themselves_are_the_observed_mean(data, plain) -> None:
    """The ratio of a policy that tells sites apart to itself is 1, alone and within a blend."""
    sited, held = fit_sites(plain, data[0], data[1]), data[2]
    observed = float(held.reward.double().sum(1).mean())
    assert estimate(held, sited, sited, [WIS])[WIS].value == pytest.approx(observed, abs=1e-9)
    assert estimate(held, Blend(Half(), sited, 0.0), sited, [WIS])[WIS].value == pytest.approx(observed, abs=1e-6)
    other = fit_sites(plain, *data[:2])  # equal, but not the same object
    blends = [estimate(held, Blend(Half(), base, 0.3), sited, [WIS])[WIS].value for base in (sited, other)]
    assert blends[0] == pytest.approx(blends[1], abs=1e-6)


def test_support_goes_by_the_practice_of_the_site() -> None:
    """What one site never does is unsupported there, however often another does it."""
    base = BehaviorPolicy((lambda obs: torch.zeros(len(obs), ACTIONS),), torch.tensor([0.5, 0.5]), 1.0, 0.01)
    data = cohort(400, 3, (0, 1)).replace(action=torch.zeros(400, STEPS, dtype=torch.int64))
    data = data.replace(action=(data.site == 1).long()[:, None].expand(400, STEPS).contiguous())
    sited = fit_sites(base, data, data)
    assert unsupported_share(data, Half(), base) == 0
    assert unsupported_share(data, Half(), sited) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("sizes", "known"),
    [
        ({0: 30}, False),
        ({0: 30, 1: 19}, False),
        ({0: 20, 1: 20}, True),
        ({-1: 50, 3: 50}, False),
        ({7: 99, 9: 20}, True),
    ],
)
def test_auto_asks_for_two_known_sites_with_enough_stays(sizes: dict[int, int], known: bool) -> None:
    site = torch.tensor([s for s, n in sizes.items() for _ in range(n)])
    data = cohort(len(site), 4).replace(site=site)
    assert told_apart("auto", data) is known
    assert told_apart(False, data) is False


def test_sites_asked_for_must_be_there() -> None:
    assert told_apart(True, cohort(9, 5, (0, 1)))
    with pytest.raises(ValueError, match="at least two known sites in the training stays, got 1"):
        told_apart(True, cohort(50, 5, (2,)))
    with pytest.raises(ValueError, match="got 0"):
        told_apart(True, cohort(50, 5, (-1,)))


def test_a_site_with_one_stay_keeps_close_to_the_others_and_unseen_ones_have_no_effect(data, plain) -> None:
    train = data[0].replace(site=torch.where(data[0].subject == 0, 40, data[0].site))
    sited = fit_sites(plain, train, data[1])
    assert sited.sites.tolist() == [0, 1, 2, 40] and torch.isfinite(sited.effect).all()
    assert sited.effect[3].abs().max() < sited.effect[[0, 2]].abs().max()
    obs, allowed = data[2].obs[:50, 0], None
    for stranger in (39, 41, -1):
        here = sited.at(torch.full((50,), stranger))
        torch.testing.assert_close(here.probs(obs, allowed), plain.probs(obs, allowed))


def test_one_site_or_none_known_still_gives_a_policy(data, plain) -> None:
    obs = data[2].obs[:20, 0]
    for number in (5, -1):
        parts = [part.replace(site=torch.full_like(part.site, number)) for part in data[:2]]
        sited = fit_sites(plain, *parts)
        assert len(sited.sites) == (number >= 0)
        probs = sited.at(torch.full((20,), number)).probs(obs, None)
        assert (probs - plain.probs(obs, None)).abs().max() < 0.02
