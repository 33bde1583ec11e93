"""Sites, or clinicians, that treat alike patients differently: a behaviour policy with an effect of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...contracts import Decisions
from ..categorical import draw, log_prob_of
from ..records import flatten
from .policy import BehaviorPolicy

_SPREADS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)  # standard deviations of the effects between sites, tried
_STEPS = 60


@dataclass(frozen=True, eq=False)
class SitedPolicy:
    """softmax(log p(a | o) + effect of the site): the same everywhere but for how willing a site is to give a.

    Where no site is told, or one that it does not know, it is the policy without effects.
    """

    kind: ClassVar[str] = "sited_behavior"
    policy: BehaviorPolicy
    sites: Tensor  # (S,) int64, rising
    effect: Tensor  # (S, A) log odds

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return self.policy.noise_dim

    def at(self, site: Tensor) -> SiteRows:
        """The policy for rows whose sites (B,) are known."""
        return SiteRows(self, site)

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A) of no site in particular."""
        return self.policy.probs(obs, allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 of no site in particular, from standard normals (B, A)."""
        return self.policy.act(obs, allowed, noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of no site in particular."""
        return self.policy.log_prob(obs, allowed, action)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return self.policy.settings()

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.policy.weights() | {"site.names": self.sites, "site.effect": self.effect}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> SitedPolicy:
        """The policy that was saved."""
        return cls(BehaviorPolicy.restore(settings, weights), weights["site.names"], weights["site.effect"])


@dataclass(frozen=True, eq=False)
class SiteRows:
    """A `SitedPolicy` on rows whose sites are known."""

    whole: SitedPolicy
    site: Tensor  # (B,) int64

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return self.whole.noise_dim

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A)."""
        return _shifted(self.whole.policy.probs(obs, None).log(), self.whole.sites, self.whole.effect, self.site)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)


def fit_sites(policy: BehaviorPolicy, train: Decisions, tuning: Decisions) -> SitedPolicy:
    """Effects of the sites of `train` on a fitted policy: maximal likelihood under a normal prior.

    The spread of the prior, and with it how far a small site is drawn to the others, is the one under which `tuning`
    decisions are likeliest; 0, no effects at all, is among those tried.
    """
    sites, actions = train.site.unique(), len(policy.base)
    pieces = [_rows(policy, part, actions) for part in (train, tuning)]
    best, kept = -torch.inf, torch.zeros(len(sites), actions)
    for spread in _SPREADS:
        effect = _fit(*pieces[0], sites, spread)
        log, action, site = pieces[1]
        likelihood = float(_shifted(log, sites, effect, site).gather(1, action[:, None]).log().mean())
        if likelihood > best:
            best, kept = likelihood, effect
    return SitedPolicy(policy, sites, kept)


def _rows(policy: BehaviorPolicy, decisions: Decisions, actions: int) -> tuple[Tensor, Tensor, Tensor]:
    obs, action = flatten(decisions, actions)
    site = decisions.site[:, None].expand(decisions.mask.shape)[decisions.mask]
    return policy.probs(obs, None).log(), action, site


def _fit(log: Tensor, action: Tensor, site: Tensor, sites: Tensor, spread: float) -> Tensor:
    effect = torch.zeros(len(sites), log.shape[1], requires_grad=True)
    if spread == 0:
        return effect.detach()
    place = torch.searchsorted(sites, site)
    optimizer = torch.optim.LBFGS([effect], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.cross_entropy(log + effect[place], action, reduction="sum")
        total: Tensor = fit + (effect**2).sum() / (2 * spread**2)
        total.backward()
        return total

    optimizer.step(loss)
    return effect.detach()


def _shifted(log: Tensor, sites: Tensor, effect: Tensor, site: Tensor) -> Tensor:
    place = torch.searchsorted(sites, site).clamp_max(len(sites) - 1)
    known = (sites[place] == site)[:, None]
    return torch.softmax(log + torch.where(known, effect[place], 0.0), 1)
