"""Calibration, discrimination and propensities of a behaviour policy whose own doings are known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from posology.contracts import Decisions
from posology.evaluation.behavior_quality import behavior_quality
from torch import Tensor


@dataclass(frozen=True)
class Tempered:
    """Softmax of the observation over a temperature."""

    temperature: float = 1.0
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        assert allowed is None
        return (obs / self.temperature).softmax(1)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return self.probs(obs, allowed).argmax(1)


def cohort(stays: int = 4000, decisions: int = 5) -> Decisions:
    random = torch.Generator().manual_seed(0)
    obs = 2 * torch.randn(stays, decisions + 1, 6, generator=random)
    probs = Tempered().probs(obs[:, :-1].reshape(-1, 6), None)
    mask = torch.arange(decisions) < torch.randint(1, decisions + 1, (stays, 1), generator=random)
    return Decisions(
        obs=obs,
        action=torch.multinomial(probs, 1, generator=random).reshape(stays, decisions),
        allowed=torch.zeros(stays, decisions + 1, 6, dtype=torch.bool),
        reward=torch.zeros(mask.shape),
        hours=mask * 4.0,
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )


def test_the_truth_is_calibrated_and_a_sharpened_model_is_not() -> None:
    data = cohort()
    right, sharp = behavior_quality(data, Tempered()), behavior_quality(data, Tempered(0.5))
    assert right.ece < 0.02 < 0.05 < sharp.ece
    assert right.action_ece < 0.05 < 0.15 < sharp.action_ece
    assert right.nll < sharp.nll and right.nll < right.nll_marginal
    assert right.auroc == pytest.approx(sharp.auroc, abs=0.005)  # temperature hardly changes an order
    assert right.decisions == int(data.mask.sum())


def test_numbers_by_hand() -> None:
    data, model = cohort(50, 3), Tempered()
    rows = np.argwhere(data.mask.numpy())
    probs = np.array([model.probs(data.obs[i, t][None], None)[0].numpy() for i, t in rows], dtype=np.float64)
    taken = np.array([int(data.action[i, t]) for i, t in rows])
    own = probs[np.arange(len(rows)), taken]
    found = behavior_quality(data, model)
    assert found.nll == pytest.approx(-np.log(own).mean())
    assert found.least_propensity == pytest.approx(own.min())
    assert found.share_below_001 == pytest.approx((own < 0.01).mean())
    shares = np.bincount(taken, minlength=6) / len(taken)
    assert found.nll_marginal == pytest.approx(-np.log(shares[taken]).mean())
    assert [a.observed for a in found.actions] == pytest.approx(shares)
    assert [a.predicted for a in found.actions] == pytest.approx(probs.mean(0))
    wins = [
        (probs[taken == a, a][:, None] > probs[taken != a, a]).mean() * (taken == a).sum()
        for a in range(6)
        if (taken == a).any()
    ]
    assert found.auroc == pytest.approx(sum(wins) / len(taken))
    assert sum(c.count for c in found.calibration) == 6 * len(rows)
    assert sum(c.observed * c.count for c in found.calibration) == pytest.approx(len(rows))
    uniform = behavior_quality(data, model, marginal=np.full(6, 1 / 6))
    assert uniform.nll_marginal == pytest.approx(np.log(6))


def test_padding_is_never_read() -> None:
    data = cohort(50, 3)
    rubbish = data.replace(obs=data.obs.clone(), action=torch.where(data.mask, data.action, -99))
    rubbish.obs[:, :-1][~data.mask] = torch.nan
    assert behavior_quality(rubbish, Tempered()) == behavior_quality(data, Tempered())


def test_one_action_only_has_no_discrimination() -> None:
    data = cohort(50, 3)
    assert np.isnan(behavior_quality(data.replace(action=0 * data.action), Tempered()).auroc)


def test_what_cannot_be_judged_is_refused() -> None:
    data = cohort(50, 3)
    with pytest.raises(ValueError, match="at least one decision"):
        behavior_quality(data.replace(mask=torch.zeros_like(data.mask)), Tempered())

    @dataclass(frozen=True)
    class Loose(Tempered):
        def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
            return 1.1 * super().probs(obs, allowed)

    with pytest.raises(ValueError, match="sum to one"):
        behavior_quality(data, replace(Loose()))
