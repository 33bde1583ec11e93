"""Sites judged one by one on decisions whose probabilities are known by hand, and what a report shows of them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Decisions
from posology.evaluation.page import page
from posology.evaluation.page_sites import odds_ratio
from posology.evaluation.report import Interval, SiteReport, SitesReport
from posology.evaluation.site_effects import LEAST, site_effects
from posology.evaluation.small_cells import suppressed


@dataclass(frozen=True)
class Shares:
    """Two actions; the second with a probability of its own at each site."""

    by_site: tuple[float, ...]
    site: torch.Tensor | None = None
    noise_dim: int = 1

    def at(self, site):
        return Shares(self.by_site, site)

    def probs(self, obs, allowed):
        p = torch.full((len(obs),), 0.5) if self.site is None else torch.tensor(self.by_site)[self.site]
        return torch.stack((1 - p, p), 1)

    def log_prob(self, obs, allowed, action):
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs, allowed, noise):
        raise AssertionError("not asked")


@dataclass(frozen=True)
class Even:
    noise_dim: int = 1

    def probs(self, obs, allowed):
        return torch.full((len(obs), 2), 0.5)

    log_prob = act = None


def cohort(sizes: dict[int, int], treated: dict[int, float], decisions: int = 4) -> Decisions:
    """Of the decisions at each site exactly the share `treated` is treated."""
    site = torch.tensor([s for s, n in sizes.items() for _ in range(n)])
    action = torch.zeros(len(site), decisions, dtype=torch.int64)
    for s, share in treated.items():
        own = torch.zeros(int((site == s).sum()) * decisions, dtype=torch.int64)
        own[: round(share * len(own))] = 1
        action[site == s] = own.reshape(-1, decisions)
    return Decisions(
        obs=torch.zeros(len(site), decisions + 1, 1),
        action=action,
        allowed=None,
        reward=torch.zeros(action.shape),
        hours=torch.ones(action.shape),
        mask=torch.ones(action.shape, dtype=torch.bool),
        terminated=torch.ones(len(site), dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(len(site)),
        site=site,
        context=torch.zeros(len(site), 0),
    )


def test_sites_by_hand():
    data = cohort({0: 20, 1: 30}, {0: 0.25, 1: 0.7})
    found = site_effects(data, Even(), Shares((0.25, 0.6)))
    first, second = found.each
    assert (first.sites, first.patients, first.stays, first.decisions) == ((0,), 20, 20, 80)
    assert first.nll == pytest.approx(np.log(2)) and first.off == pytest.approx(0.25)
    assert first.nll_sited == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    assert first.off_sited == pytest.approx(0, abs=1e-6) and first.moved == pytest.approx(0.25)
    assert (first.more, second.more) == (0, 1) and second.by == pytest.approx(0.1)
    assert second.off == pytest.approx(0.2) and second.off_sited == pytest.approx(0.1)
    own = [80 * (x.nll - x.nll_sited) if x is first else 120 * (x.nll - x.nll_sited) for x in found.each]
    assert found.gain == pytest.approx(sum(own) / 200) and found.low < found.gain < found.high


def test_small_sites_are_judged_together_and_none_can_be_told_by_subtraction():
    def parts(sizes):
        data = cohort(sizes, dict.fromkeys(sizes, 0.5))
        return [(one.sites, one.patients) for one in site_effects(data, Even(), Shares((0.5,) * 9)).each]

    assert parts({0: 12, 1: 11}) == [((0,), 12), ((1,), 11)]
    assert parts({0: 30, 1: 9, 2: 15}) == [((0,), 30), ((1, 2), 24)]
    assert parts({0: 30, 1: 6, 2: 5}) == [((0,), 30), ((1, 2), 11)]
    assert parts({0: 30, 1: 6, 2: 2, 3: 12}) == [((0,), 30), ((1, 2, 3), 20)]
    assert parts({0: 1, 1: 3}) == [((0, 1), 4)]
    assert parts({5: 3}) == [((5,), 3)]


def test_one_patient_with_many_stays_is_one():
    data = cohort({0: 30, 1: 30}, {0: 0.5, 1: 0.5})
    data = data.replace(subject=torch.where(data.site == 1, 100, data.subject))
    assert [one.sites for one in site_effects(data, Even(), Shares((0.5, 0.5))).each] == [(0, 1)]


def test_stays_without_a_decision_and_no_decision_at_all():
    data = cohort({0: 12, 1: 12}, {0: 0.5, 1: 0.5})
    none = data.replace(mask=(data.site == 0)[:, None] & data.mask)
    assert [one.sites for one in site_effects(none, Even(), Shares((0.5, 0.5))).each] == [(0,)]
    with pytest.raises(ValueError, match="at least one decision"):
        site_effects(data.replace(mask=torch.zeros_like(data.mask)), Even(), Shares((0.5, 0.5)))


def test_the_median_odds_ratio_is_that_of_simulated_sites():
    random = np.random.default_rng(0)
    effect = random.normal(0, 0.7, (2, 200_000, 2))  # two sites, two doses
    gap = np.abs((effect[0] - effect[1]) @ [1, -1])
    assert odds_ratio(0.7) == pytest.approx(np.exp(np.median(gap)), rel=0.02)
    assert odds_ratio(0.0) == 1


def site(label, patients, **more):
    return SiteReport(label=label, patients=patients, stays=patients, decisions=4 * patients, nll=1.8, off=0.1, **more)


WITH = {"nll_sited": 1.7, "off_sited": 0.02, "moved": 0.12, "more": (500.0, 0.2), "by": 0.06}


@pytest.fixture
def sited(examples):
    def told(**changes):
        each = (site("site 3", 40, **WITH), site("2 small sites", LEAST - 1, **WITH))
        sites = SitesReport(each=each, told_apart=3, spread=0.4, gain=Interval(value=0.03, low=0.01, high=0.05))
        return examples.known_truth().model_copy(update={"sites": sites.model_copy(update=changes)})

    return told


def test_the_page_tells_of_sites(sited):
    text = page(suppressed(sited()))
    assert "3 sites are told apart" in text and "by a factor of 1.72" in text
    assert "falls by 0.030 (95\u202f% interval 0.010 to 0.050)" in text and "Site 3" in text
    assert "do not confirm" not in text
    assert "do not confirm" in page(sited(gain=Interval(value=0.01, low=-0.01, high=0.03)))
    assert "beyond chance" in page(sited(spread=0.0))
    assert "of all sites together" in page(sited(told_apart=0, spread=None, gain=None))


def test_sites_that_are_all_small_have_no_table(sited):
    text = page(sited(each=(site("34 small sites", 42),), told_apart=0, spread=None, gain=None))
    assert "No two of the sites" in text and "34 small sites" not in text


def test_a_page_without_sites_says_nothing_of_them(examples):
    assert "Site by site" not in page(examples.known_truth())


def test_what_is_still_small_has_no_numbers(sited):
    kept, gone = suppressed(sited()).sites.each
    assert kept == site("site 3", 40, **WITH)
    assert gone == SiteReport(label="2 small sites", patients=None, stays=None, decisions=None, nll=None, off=None)
    assert suppressed(suppressed(sited())) == suppressed(sited())
