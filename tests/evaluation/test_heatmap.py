"""Action shares of clinician and policy on the same decisions."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Decisions
from posology.evaluation.heatmap import heat_map
from torch import Tensor


@dataclass(frozen=True)
class Fixed:
    """The same action probabilities everywhere, within what is allowed."""

    shares: tuple[float, ...]
    noise_dim: int = 1

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        assert obs.isfinite().all()
        found = torch.tensor(self.shares).expand(len(obs), -1)
        found = found if allowed is None else found * allowed
        return found / found.sum(1, keepdim=True)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        return self.probs(obs, allowed).argmax(1)


def cohort() -> Decisions:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    return Decisions(
        obs=torch.where(mask[:, :, None], 0.0, torch.nan)[:, [0, 1, 2, 2]],
        action=torch.tensor([[5, 5, 0], [2, -1, -1]]),
        allowed=None,
        reward=torch.zeros(2, 3),
        hours=mask * 4.0,
        mask=mask,
        terminated=torch.ones(2, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(2),
        site=torch.zeros(2, dtype=torch.int64),
        context=torch.zeros(2, 0),
    )


POLICY = Fixed((0.1, 0.0, 0.2, 0.1, 0.1, 0.5))


def test_shares_and_agreement() -> None:
    found = heat_map(cohort(), POLICY, (2, 3))
    assert found.clinician == pytest.approx(np.array([[0.25, 0, 0.25], [0, 0, 0.5]]))  # the first drug varies slowest
    assert found.policy == pytest.approx(np.array([[0.1, 0, 0.2], [0.1, 0.1, 0.5]]))
    assert found.agreement == 0.5


def test_blends_mix_and_masks_bind() -> None:
    base = Fixed((1.0, 0, 0, 0, 0, 0))
    found = heat_map(cohort(), Blend(POLICY, base, 0.2), (2, 3))
    assert found.policy.ravel() == pytest.approx([0.82, 0, 0.04, 0.02, 0.02, 0.1])
    masked = cohort().replace(allowed=torch.tensor([True] * 5 + [False]).expand(2, 4, 6))
    assert heat_map(masked, POLICY, (2, 3)).policy[1, 2] == 0


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 4 actions"):
        heat_map(cohort(), POLICY, (2, 2))
    with pytest.raises(ValueError, match="discrete actions"):
        heat_map(cohort().replace(action=torch.zeros(2, 3, 2)), POLICY, (2, 3))
