"""Log ratios of a target policy to a behaviour policy on logged decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contracts import Blend, Clinician, Decisions, DiscretePolicy, Policy
from ...trajectories.sited import here
from .logged import Array, Mask
from .weights import RARE

_ROWS = 65536  # decisions asked about at once


@dataclass(frozen=True, eq=False)
class Ratios:
    """What the estimators need to know about two policies, on N stays of T decisions; 0 after the end of a stay."""

    log_ratio: Array  # (N, T) of the logged action; -inf where the target never does that
    rare: Mask  # (N, T) the behaviour policy gave the logged action a probability below RARE
    excess: Array | None  # (N, T) target beyond behaviour probability on such actions; None unless both are discrete


def log_ratio(decisions: Decisions, target: Policy | Blend, behavior: Policy | None) -> Array:
    """Logarithm of pi_target(a | s) / pi_behavior(a | s) (N, T) of the logged actions; 0 after the end of a stay.

    Without `behavior` the propensities recorded in the decisions are used. Masks bind the target only. A `Blend` into
    a clinician, or into the behaviour policy itself, has the ratio (1 - share) + share * pi / pi_behavior.
    """
    return ratios(decisions, target, behavior).log_ratio


@torch.no_grad()
def ratios(decisions: Decisions, target: Policy | Blend, behavior: Policy | None) -> Ratios:
    """Log ratio, rare actions and excess probability; ValueError if there are no propensities at all."""
    mask = decisions.mask
    asked = _asked(decisions)
    base = _base(decisions, behavior, asked)
    ratio = _log_prob(asked, target, behavior, base) - base
    spread = None if behavior is None else _excess(asked, target, behavior)
    return Ratios(
        _scatter(ratio, mask),
        _scatter((base < np.log(RARE)).double(), mask) > 0,
        None if spread is None else _scatter(spread, mask),
    )


@torch.no_grad()
def behavior_log_prob(decisions: Decisions, behavior: Policy | None) -> Array:
    """Log-probability or log-density (N, T) of the logged actions; 0 after the end of a stay.

    Without `behavior` the propensities recorded in the decisions; ValueError if there are none.
    """
    return _scatter(_base(decisions, behavior, _asked(decisions)), decisions.mask)


@torch.no_grad()
def target_dose(decisions: Decisions, target: Policy | Blend) -> Array:
    """Doses (N, T, U) of a deterministic target at the logged states; 0 after the end of a stay.

    ValueError for a blend, a policy that needs noise, or discrete actions.
    """
    if isinstance(target, Blend) or target.noise_dim != 0 or decisions.action.dim() != 3:
        raise ValueError(
            "kernels: expected a deterministic policy (noise_dim 0) on continuous doses (N, T, U); "
            "for any other use an estimator on log ratios"
        )
    asked, mask = _asked(decisions), decisions.mask
    given = by_blocks(lambda o, a: target.act(o, a, o.new_zeros(len(o), 0)).double(), asked.obs, asked.allowed)
    full = torch.zeros((*mask.shape, given.shape[1]), dtype=torch.float64, device=mask.device)
    full[mask] = given
    return np.asarray(full.cpu().numpy())


def target_probs(target: Policy | Blend, obs: Tensor, allowed: Tensor | None, base: Policy | None) -> Tensor | None:
    """Action probabilities (B, A) of a target, a clinician inside a blend standing in as `base`; None if continuous."""
    if isinstance(target, Blend):
        ours = target_probs(target.policy, obs, allowed, base)
        below = base if isinstance(target.base, Clinician) else target.base
        theirs = below.probs(obs, None) if isinstance(below, DiscretePolicy) else None
        return None if ours is None or theirs is None else target.share * ours + (1 - target.share) * theirs
    return target.probs(obs, allowed) if isinstance(target, DiscretePolicy) else None


def by_blocks(answer: Callable[..., Tensor], *columns: Tensor | None) -> Tensor:
    """What `answer` says of rows (M, ...), at least one, asked in blocks to bound memory; a None stays None."""
    rows = next(len(column) for column in columns if column is not None)
    blocks = [slice(start, start + _ROWS) for start in range(0, max(1, rows), _ROWS)]
    return torch.cat([answer(*(None if column is None else column[b] for column in columns)) for b in blocks])


@dataclass(frozen=True)
class _Asked:
    """The M decisions really made."""

    obs: Tensor  # (M, O)
    allowed: Tensor | None  # (M, A)
    action: Tensor  # (M,) or (M, U)
    site: Tensor  # (M,)

    def collect(self, target: Policy) -> Tensor:
        """Log-probabilities (M,) of a target policy within the masks."""

        def answer(obs: Tensor, allowed: Tensor | None, action: Tensor, site: Tensor) -> Tensor:
            return here(target, site).log_prob(obs, allowed, action)

        return by_blocks(answer, self.obs, self.allowed, self.action, self.site)

    def collect_unmasked(self, behavior: Policy) -> Tensor:
        """Log-probabilities (M,) of a behaviour policy, which no mask binds: clinicians did take such actions."""

        def answer(obs: Tensor, action: Tensor, site: Tensor) -> Tensor:
            return here(behavior, site).log_prob(obs, None, action)

        return by_blocks(answer, self.obs, self.action, self.site)


def _asked(decisions: Decisions) -> _Asked:
    mask = decisions.mask
    allowed = None if decisions.allowed is None else decisions.allowed[:, :-1][mask]
    site = decisions.site[:, None].expand(mask.shape)[mask]
    return _Asked(decisions.obs[:, :-1][mask], allowed, decisions.action[mask], site)


def _base(decisions: Decisions, behavior: Policy | None, asked: _Asked) -> Tensor:
    if behavior is not None:
        return asked.collect_unmasked(behavior).double()
    if decisions.log_behavior is not None:
        return decisions.log_behavior[decisions.mask].double()
    raise ValueError("decisions hold no log_behavior: expected a behaviour policy, got None; fit one and pass it")


def _log_prob(asked: _Asked, target: Policy | Blend, behavior: Policy | None, base: Tensor) -> Tensor:
    """Log-probability (M,) float64 of the logged actions under the target; a clinician's is `base`."""
    if not isinstance(target, Blend):
        return asked.collect(target).double()
    below = target.base
    theirs = base
    if not isinstance(below, Clinician) and below is not behavior:
        theirs = asked.collect_unmasked(below).double()
    share = torch.tensor(target.share, dtype=torch.float64, device=base.device)
    ours = asked.collect(target.policy).double()
    return torch.logaddexp(share.log() + ours, (1 - share).log() + theirs)


def _excess(asked: _Asked, target: Policy | Blend, behavior: Policy) -> Tensor | None:
    if not isinstance(behavior, DiscretePolicy):
        return None
    if target_probs(target, asked.obs[:1], None if asked.allowed is None else asked.allowed[:1], behavior) is None:
        return None

    def beyond(obs: Tensor, allowed: Tensor | None, site: Tensor) -> Tensor:
        own = here(behavior, site)
        wanted = target_probs(here(target, site), obs, allowed, own)
        assert wanted is not None and isinstance(own, DiscretePolicy)
        usual = own.probs(obs, None)
        return torch.where(usual < RARE, (wanted - usual).clamp_min(0), 0.0).sum(1).double()

    return by_blocks(beyond, asked.obs, asked.allowed, asked.site)


def _scatter(values: Tensor, mask: Tensor) -> Array:
    full = torch.zeros(mask.shape, dtype=torch.float64, device=values.device)
    full[mask] = values
    return np.asarray(full.cpu().numpy())
