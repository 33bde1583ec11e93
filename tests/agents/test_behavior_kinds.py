"""Trees, neighbours, isotonic calibration and site effects: each right where the truth is known, each saved whole."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from posology.agents.behavior import BehaviorConfig, fit_behavior, fit_sites
from posology.agents.behavior.isotonic import fit_isotonic
from posology.agents.behavior.trees import fit_trees
from posology.agents.records import flatten
from posology.agents.save import load_policy, save_policy
from posology.contracts import Decisions

A, COLUMNS = 3, 4
TREES = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")


def truth(obs: torch.Tensor, site: torch.Tensor | None = None) -> torch.Tensor:
    """A threshold, which a logistic regression cannot draw; site 1 gives action 2 more readily, site 2 less."""
    logits = torch.stack([0 * obs[..., 0], 2.0 * (obs[..., 0].abs() > 1), obs[..., 1]], -1)
    if site is not None:
        logits[..., 2] += torch.tensor([0.0, 1.5, -1.5])[site]
    return logits.softmax(-1)


def cohort(stays: int, seed: int, sites: bool = False) -> Decisions:
    g = torch.Generator().manual_seed(seed)
    obs = torch.randn(stays, 6, COLUMNS, generator=g)
    site = torch.randint(0, 3, (stays,), generator=g) if sites else torch.zeros(stays, dtype=torch.int64)
    probs = truth(obs[:, :5], site[:, None].expand(stays, 5) if sites else None)
    mask = torch.arange(5) < torch.randint(1, 6, (stays, 1), generator=g)
    return Decisions(
        obs=obs,
        action=torch.multinomial(probs.reshape(-1, A), 1, generator=g).reshape(stays, 5),
        allowed=None,
        reward=torch.zeros(stays, 5),
        hours=4.0 * mask,
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=site,
        context=torch.zeros(stays, 0),
    )


def excess_loss(policy, held: Decisions) -> float:
    """Nats a decision above the truth's own."""
    obs, action = flatten(held, A)
    best = truth(obs).gather(1, action[:, None]).log().mean()
    return float(best - policy.log_prob(obs, None, action).mean())


@pytest.fixture(scope="module")
def data() -> tuple[Decisions, Decisions, Decisions]:
    return cohort(1200, 0), cohort(300, 1), cohort(2000, 2)


@TREES
def test_trees_see_a_threshold(data, tmp_path: Path) -> None:
    train, tuning, held = data
    trees, line = (fit_behavior(train, tuning, BehaviorConfig(A, kind=kind)) for kind in ("trees", "logistic"))
    assert excess_loss(trees, held) < 0.03 < 0.07 < excess_loss(line, held)
    save_policy(trees, tmp_path / "trees")
    obs = held.obs[:, 0]
    assert torch.equal(load_policy(tmp_path / "trees").probs(obs, None), trees.probs(obs, None))


@TREES
@pytest.mark.parametrize("actions", [2, 3])
def test_trees_are_those_that_scikit_learn_grew(actions: int, monkeypatch) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    obs = torch.tensor(rng.normal(size=(600, 4)), dtype=torch.float32)
    action = torch.tensor(
        (obs[:, 0].numpy() + rng.normal(size=600) > 0).astype(int) + int(actions > 2) * (obs[:, 1].numpy() > 1)
    )
    grown = []
    original = HistGradientBoostingClassifier.fit
    monkeypatch.setattr(
        HistGradientBoostingClassifier, "fit", lambda self, *a: grown.append(original(self, *a)) or grown[-1]
    )
    forest = fit_trees((obs, action.long()), (obs, action.long()), actions, rounds=15, seed=0)
    assert len(forest.root) == 15  # judged by what they were grown on, more is better
    expected = grown[0].predict_proba(obs.numpy())
    assert forest(obs).softmax(1).numpy() == pytest.approx(expected, abs=1e-4)


@TREES
def test_trees_stop_where_they_learn_noise_and_bear_actions_never_taken() -> None:
    g = torch.Generator().manual_seed(0)
    obs, action = torch.randn(400, 4, generator=g), torch.randint(0, 2, (400,), generator=g)
    forest = fit_trees((obs[:200], action[:200]), (obs[200:], action[200:]), 4, rounds=40, seed=0)
    assert len(forest.root) < 15
    assert forest(obs).softmax(1)[:, 2:].max() < 1e-3


def test_neighbours_agree_with_the_truth_and_with_themselves_saved(data, tmp_path: Path) -> None:
    train, tuning, held = data
    nearest = fit_behavior(train, tuning, BehaviorConfig(A, kind="nearest", neighbours=60))
    assert excess_loss(nearest, held) < 0.08
    save_policy(nearest, tmp_path / "nearest")
    obs = held.obs[:300, 0]
    assert torch.equal(load_policy(tmp_path / "nearest").probs(obs, None), nearest.probs(obs, None))


def test_isotonic_curves_pool_violators() -> None:
    predicted = torch.tensor([0.1, 0.2, 0.3, 0.6, 0.9])
    happened = torch.tensor([0, 1, 0, 1, 1])  # 1 at .2 violates 0 at .3
    curve = fit_isotonic(torch.stack((1 - predicted, predicted), 1), happened)
    assert curve.given[1].tolist() == pytest.approx([0.1, 0.25, 0.75])
    assert curve.found[1].tolist() == pytest.approx([0, 0.5, 1])
    probs = curve(torch.tensor([[0.75, 0.25], [0.99, 0.01]]), torch.full((2,), 0.001))
    assert probs[0].tolist() == pytest.approx([0.5, 0.5]) and probs[1, 1] < 0.01
    assert probs.sum(1).tolist() == pytest.approx([1, 1])


def test_isotonic_calibration_mends_a_bent_network(data, tmp_path: Path) -> None:
    train, tuning, held = data
    config = BehaviorConfig(A, kind="logistic", calibration="isotonic")
    policy = fit_behavior(train, tuning, config)
    obs, action = flatten(held, A)
    probs = policy.probs(obs, None)
    torch.testing.assert_close(probs.sum(1), torch.ones(len(obs)))
    assert (probs > 0).all()
    for a in range(A):
        for rows in probs[:, a].argsort().tensor_split(4):
            assert abs(float(probs[rows, a].mean() - (action[rows] == a).float().mean())) < 0.06
    save_policy(policy, tmp_path / "isotonic")
    assert torch.equal(load_policy(tmp_path / "isotonic").probs(obs, None), probs)


def test_site_effects_are_found_saved_and_used_where_the_site_is_known(tmp_path: Path) -> None:
    train, tuning, held = cohort(1500, 3, True), cohort(400, 4, True), cohort(1500, 5, True)
    plain = fit_behavior(train, tuning, BehaviorConfig(A))
    sited = fit_sites(plain, train, tuning)
    obs, action = flatten(held, A)
    site = held.site[:, None].expand(held.mask.shape)[held.mask]
    best = truth(obs, site).gather(1, action[:, None]).log().mean()
    known = sited.at(site).log_prob(obs, None, action).mean()
    assert float(best - known) < 0.04 < float(best - plain.log_prob(obs, None, action).mean())
    gap = sited.effect[1, 2] - sited.effect[2, 2] - (sited.effect[1, :2] - sited.effect[2, :2]).mean()
    assert float(gap) == pytest.approx(3.0, abs=0.5)
    assert torch.equal(sited.probs(obs, None), plain.probs(obs, None))
    unknown = torch.full_like(site, 17)
    torch.testing.assert_close(sited.at(unknown).probs(obs, None), plain.probs(obs, None))
    save_policy(sited, tmp_path / "sited")
    again = load_policy(tmp_path / "sited")
    assert torch.equal(again.at(site).probs(obs, None), sited.at(site).probs(obs, None))


def test_sites_that_treat_alike_have_no_effect() -> None:
    train, tuning = cohort(600, 6), cohort(300, 7)
    random = torch.Generator().manual_seed(1)
    train, tuning = (d.replace(site=torch.randint(0, 20, (len(d),), generator=random)) for d in (train, tuning))
    sited = fit_sites(fit_behavior(train, tuning, BehaviorConfig(A, kind="logistic")), train, tuning)
    assert sited.effect.abs().max() < 0.35
