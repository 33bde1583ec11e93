"""Logged decisions as one flat batch of transitions, for fitting the value of a target policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contracts import Blend, Clinician, Decisions, Policy
from ...trajectories.sited import here
from .logged import Array, Mask, Numbers, array
from .ratios import by_blocks, target_probs

_SAMPLES = 32  # doses drawn from a stochastic policy on continuous doses


@dataclass(frozen=True)
class Transitions:
    """M decisions really made, stay after stay and in time: the next state of row i, if any, is that of row i + 1.

    An action is a row of basis columns: one-hot for discrete actions; 1, doses and their products for continuous
    ones. A value is linear in that row, so the target policy enters by its expectation alone.
    """

    obs: Tensor  # (M, O)
    taken: Tensor  # (M, A) basis of the logged action
    wanted: Tensor  # (M, A) expected basis of the target policy's action; of clinicians in a blend the logged one
    reward: Tensor  # (M,)
    onward: Tensor  # (M,) discount to the next decision; 0 where the stay ends
    last: Tensor  # (M,) bool: the last decision of its stay
    discrete: bool

    def __len__(self) -> int:
        return len(self.obs)

    def targets(self, value: Tensor) -> Tensor:
        """Reward plus discounted value (M,) of the next state, exactly 0 after the end, from values (M,) of states."""
        return self.reward + self.onward * torch.cat((value[1:], value.new_zeros(1)))

    def returns(self, length: int) -> Tensor:
        """Discounted rewards (M,) from each decision on, in stays of at most `length` decisions."""
        total = self.reward
        for _ in range(length):
            total = self.targets(total)
        return total

    def rows(self, keep: Tensor) -> Transitions:
        """The transitions of some stays (M,) bool, each of them whole."""
        obs, taken, wanted = self.obs[keep], self.taken[keep], self.wanted[keep]
        return Transitions(obs, taken, wanted, self.reward[keep], self.onward[keep], self.last[keep], self.discrete)


@torch.no_grad()
def transitions(
    decisions: Decisions,
    policy: Policy | Blend,
    discount: float | Numbers,
    behavior: Policy | None,
    features: Tensor | None = None,
) -> Transitions:
    """The decisions of all stays under a target policy; float64, on the CPU. `behavior` is who made them, if known.

    Where the policy is theirs, or a blend leaves a decision to them, the logged action stands for theirs: right in
    expectation whatever they do, so that no error of a fitted behaviour policy reaches the critic. `features`
    (N, T+1, F) is what the critic goes by instead of the observations that the policy reads.
    """
    mask = decisions.mask.cpu()
    obs, action = decisions.obs[:, :-1][decisions.mask], decisions.action[decisions.mask]
    allowed = None if decisions.allowed is None else decisions.allowed[:, :-1][decisions.mask]
    theirs = isinstance(policy, Blend) and (isinstance(policy.base, Clinician) or policy.base is behavior)
    own, share = (policy.policy, policy.share) if isinstance(policy, Blend) and theirs else (policy, 1.0)
    share = 0.0 if policy is behavior else share
    if decisions.action.dim() == 2:
        site = decisions.site[:, None].expand(decisions.mask.shape)[decisions.mask]
        wanted = _probabilities(own, obs, allowed, site, behavior)
        taken = torch.nn.functional.one_hot(action, wanted.shape[1]).to(wanted)
    else:
        wanted, taken = _expected(own, obs, allowed), dose_basis(action)
    wanted = share * wanted + (1 - share) * taken
    return Transitions(
        (obs if features is None else features[:, :-1][decisions.mask]).cpu().double(),
        taken.cpu().double(),
        wanted.cpu().double(),
        decisions.reward.cpu().double()[mask],
        torch.as_tensor(_onward(mask.numpy(), discount))[mask],
        (torch.cat((~mask[:, 1:], torch.ones_like(mask[:, :1])), 1))[mask],
        decisions.action.dim() == 2,
    )


def dose_basis(dose: Tensor) -> Tensor:
    """1, doses and their products (M, 1 + U + U (U + 1) / 2) of doses (M, U)."""
    rows, columns = torch.triu_indices(dose.shape[1], dose.shape[1])
    return torch.cat((torch.ones_like(dose[:, :1]), dose, dose[:, rows] * dose[:, columns]), 1)


def _probabilities(
    policy: Policy | Blend, obs: Tensor, allowed: Tensor | None, site: Tensor, behavior: Policy | None
) -> Tensor:
    def answer(o: Tensor, a: Tensor | None, s: Tensor) -> Tensor:
        found = target_probs(here(policy, s), o, a, None if behavior is None else here(behavior, s))
        if found is None:
            raise ValueError("fitted Q: expected a policy with action probabilities, and a behaviour policy for blends")
        return found

    return by_blocks(answer, obs, allowed, site)


def _expected(policy: Policy | Blend, obs: Tensor, allowed: Tensor | None) -> Tensor:
    if isinstance(policy, Blend):
        raise ValueError("fitted Q: expected continuous doses of a policy, or of one blended into the clinicians")
    draws = _SAMPLES if policy.noise_dim else 1
    random = torch.Generator().manual_seed(0)

    def answer(o: Tensor, a: Tensor | None) -> Tensor:
        noise = torch.randn(draws, len(o), policy.noise_dim, generator=random).to(o)
        return torch.stack([dose_basis(policy.act(o, a, n)) for n in noise]).mean(0)

    return by_blocks(answer, obs, allowed)


def _onward(mask: Mask, discount: float | Numbers) -> Array:
    """Discount (N, T) from each decision to the next, 0 where there is none; see `logged` for `discount`."""
    following = np.hstack((mask[:, 1:], np.zeros((len(mask), 1), bool)))
    if isinstance(discount, int | float):
        return np.where(following, float(discount), 0.0)
    factor = np.where(mask, array(discount), 0.0)
    later = np.hstack((factor[:, 1:], np.zeros((len(mask), 1))))
    return np.asarray(np.divide(later, factor, out=np.zeros_like(factor), where=following & (factor > 0)))
