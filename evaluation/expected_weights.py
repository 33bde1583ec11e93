"""How far importance weights will scatter, told by a known truth instead of by the weights of a sample.

The mean square of a weight, E_b[prod_t (pi / b)^2], has a tail that samples miss. With the clinicians' own
probabilities b known, the square of every decision is summed over all actions exactly: with

    Z_t = sum_a pi(a | h_t)^2 / b(a | h_t)

it is E_q[prod_t Z_t] over courses whose actions are drawn from q, proportional to pi^2 / b. What is left to chance is
the patients' course alone, and particles that are drawn anew at every decision in proportion to Z_t give it without
bias (Del Moral 2004, Feynman-Kac Formulae, section 2.4.1), for policies that go by all of a patient's history too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..contracts import Blend, Clinician, DiscretePolicy, PatientState, Policy, Treatment
from .off_policy.logged import Array

_GROUPS = 8  # of particles, independent: how far their answers scatter is the error of their mean


@dataclass(frozen=True, eq=False)
class ExpectedWeights:
    """Of the weight of a stay logged under the clinicians, as it is after each of T decisions at most."""

    mean: Array  # (T,) one where the clinicians do all that the policy does
    second: Array  # (T,) mean square
    error: Array  # (T,) standard error of `second` as a share of it; 0 where it is exact

    @property
    def effective_share(self) -> Array:
        """Effective sample size per logged stay (T,): squared mean over mean square (Kong 1992)."""
        return np.divide(self.mean**2, self.second, out=np.zeros_like(self.mean), where=self.second > 0)


@torch.no_grad()
def expected_weights(
    treatment: Treatment,
    target: Policy | Clinician | Blend,
    clinician: Clinician,
    *,
    particles: int = 1024,
    seed: int = 0,
) -> ExpectedWeights:
    """Moments of the weights of `target` on stays that `clinician` treats in `treatment`, by particles.

    Both act on dose levels, and the target keeps to what is allowed. ValueError for continuous actions, a policy
    without action probabilities, or fewer than 8 particles.
    """
    if treatment.actions is None or particles < _GROUPS:
        raise ValueError(f"expected dose levels and at least {_GROUPS} particles, got {treatment.actions}, {particles}")
    case = _Case(treatment, target, clinician, particles // _GROUPS)
    second, covered = _moment(case, 2, seed)
    mean = np.zeros_like(second) if covered else _moment(case, 1, seed)[0]
    top = np.maximum(second.max(1, keepdims=True), -1e300)
    middle = np.exp(second - top)
    spread = np.divide(middle.std(1, ddof=1), middle.mean(1), out=np.zeros(len(middle)), where=middle.any(1))
    with np.errstate(over="ignore"):
        return ExpectedWeights(np.exp(mean).mean(1), np.exp(top[:, 0]) * middle.mean(1), spread / np.sqrt(_GROUPS))


@dataclass(frozen=True)
class _Case:
    treatment: Treatment
    target: Policy | Clinician | Blend
    clinician: Clinician
    size: int  # particles of a group


def probs_of(who: Policy | Clinician | Blend, treatment: Treatment, state: PatientState) -> Tensor:
    """Probability (B, A) float64 of every action; a policy keeps to what is allowed. ValueError where it has none."""
    if isinstance(who, Blend):
        ours, theirs = (probs_of(one, treatment, state) for one in (who.policy, who.base))
        return who.share * ours + (1 - who.share) * theirs
    if isinstance(who, Clinician):
        return _of_clinician(who, treatment, state)
    if not isinstance(who, DiscretePolicy):
        raise ValueError(f"expected a policy with action probabilities, got {type(who).__name__}")
    return who.probs(treatment.observe(state), treatment.allowed(state)).double()


def _of_clinician(clinician: Clinician, treatment: Treatment, state: PatientState) -> Tensor:
    """Probability (B, A) float64 of every action under a clinician."""
    assert treatment.actions is not None
    each = [torch.full_like(state.outcome, action) for action in range(treatment.actions)]
    return torch.stack([clinician.log_prob(state, treatment.decode(state, a)) for a in each], 1).double().exp()


def _moment(case: _Case, power: int, seed: int) -> tuple[Array, bool]:
    """Logarithm of the mean of weight ** power after each decision, by group (T, G); whether b covers the target."""
    random, treatment, count = torch.Generator().manual_seed(seed), case.treatment, _GROUPS * case.size
    state = treatment.admit(torch.randn(count, treatment.admit_noise_dim, generator=random))
    ended, covered = torch.zeros(count, dtype=torch.bool), True
    total, found = torch.zeros(_GROUPS, dtype=torch.float64), []
    for _ in range(treatment.horizon):
        if not ended.all():
            ours, theirs = (probs_of(who, treatment, state) for who in (case.target, case.clinician))
            covered = covered and not bool(((ours > 1e-9) & (theirs == 0) & ~ended[:, None]).any())
            tilted = torch.where(theirs > 0, ours**power * theirs.clamp_min(1e-300) ** (1 - power), 0.0)
            factor = torch.where(ended, 1.0, tilted.sum(1))
            total = total + factor.reshape(_GROUPS, case.size).mean(1).log()
            kept = _drawn(factor.reshape(_GROUPS, case.size), random)
            state, ended = state.rows(kept), ended[kept]
            # a row without any probability is in no group that goes on, or has ended: what it takes does not matter
            action = torch.multinomial(tilted[kept].clamp_min(1e-300), 1, generator=random)[:, 0]
            noise = torch.randn(count, treatment.noise_dim, generator=random)
            step = treatment.step(state, action, treatment.interval(state, action), noise)
            state, ended = step.state, ended | step.terminated | step.truncated
        found.append(total)
    return torch.stack(found).numpy(), covered


def _drawn(factor: Tensor, random: torch.Generator) -> Tensor:
    """Rows (G * n,) drawn within each group in proportion to `factor` (G, n), evenly spaced (systematic resampling)."""
    groups, size = factor.shape
    factor = torch.where(factor.sum(1, keepdim=True) > 0, factor, 1.0)
    ladder = (factor / factor.sum(1, keepdim=True)).cumsum(1)
    rungs = (torch.arange(size) + torch.rand(groups, 1, generator=random, dtype=torch.float64)) / size
    place = torch.searchsorted(ladder, rungs).clamp_max(size - 1)
    return (place + size * torch.arange(groups)[:, None]).flatten()
