"""Sites, or clinicians, that treat alike patients differently: a behaviour policy with an effect of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor

from ...contracts import Decisions
from ..categorical import draw, log_prob_of
from ..records import flatten
from .policy import BehaviorPolicy

Sites = bool | Literal["auto"]

LEAST = 20  # training stays of a site that counts where it is "auto" whether sites are told apart
_SPREADS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)  # standard deviations of the effects between sites, tried
_STEPS = 60


@dataclass(frozen=True, eq=False)
class SitedPolicy:
    """softmax(sharpness * log p(a | o) + effect of the site): alike but for how willing a site is to give a.

    Over all sites together doses depend on the patient less than within any one, hence the sharpness. Where no site is
    told, or one that it does not know, it is the policy p without effects.
    """

    kind: ClassVar[str] = "sited_behavior"
    policy: BehaviorPolicy
    sites: Tensor  # (S,) int64, rising
    effect: Tensor  # (S, A) log odds
    spread: float  # standard deviation of the prior of the effects; 0: sites treat alike
    sharpness: float = 1.0

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
        return {**self.policy.settings(), "spread": self.spread, "sharpness": self.sharpness}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.policy.weights() | {"site.names": self.sites, "site.effect": self.effect}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> SitedPolicy:
        """The policy that was saved."""
        policy = BehaviorPolicy.restore(settings, weights)
        spread, sharpness = cast(float, settings["spread"]), cast(float, settings["sharpness"])
        return cls(policy, weights["site.names"], weights["site.effect"], spread, sharpness)


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
        whole = self.whole
        return _Effects(whole.sites, whole.effect, whole.sharpness).on(whole.policy.probs(obs, None).log(), self.site)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)


FittedBehavior = BehaviorPolicy | SitedPolicy


def without_sites(policy: FittedBehavior) -> BehaviorPolicy:
    """The fitted policy of no site in particular."""
    return policy.policy if isinstance(policy, SitedPolicy) else policy


def told_apart(sites: Sites, train: Decisions) -> bool:
    """Whether effects of sites are to be fitted on these training stays.

    "auto": where at least two known sites have `LEAST` stays. True: always, and ValueError where there are not two.
    """
    if sites == "auto":
        known, stays = train.site[train.site >= 0].unique(return_counts=True)
        return int((stays >= LEAST).sum()) > 1
    if sites and len(found := _known(train)) < 2:
        raise ValueError(
            f"behavior.sites: expected at least two known sites in the training stays, got {len(found)}; "
            'name the site column in the task (cohort.site), or say "auto" or false'
        )
    return bool(sites)


def fit_sites(policy: BehaviorPolicy, train: Decisions, tuning: Decisions) -> SitedPolicy:
    """Effects of the known sites (0 or more) of `train` on a fitted policy: greatest likelihood under a normal prior.

    The spread of the prior, and with it how far a small site is drawn to the others, is the one under which `tuning`
    decisions are likeliest; 0, no effects at all, is among those tried.
    """
    sites, actions = _known(train), len(policy.base)
    pieces = [_rows(policy, part, actions) for part in (train, tuning)]
    best, kept, chosen = -torch.inf, _Effects(sites, torch.zeros(len(sites), actions)), 0.0
    for spread in _SPREADS:
        found = _fit(*pieces[0], sites, spread)
        log, action, site = pieces[1]
        likelihood = float(found.on(log, site).gather(1, action[:, None]).log().mean())
        if likelihood > best:
            best, kept, chosen = likelihood, found, spread
    return SitedPolicy(policy, sites, kept.effect, chosen, kept.sharpness)


def _known(decisions: Decisions) -> Tensor:
    """Numbers (S,) of the known sites, rising; a negative one stands for an unknown site."""
    found: Tensor = decisions.site[decisions.site >= 0].unique()
    return found


def _rows(policy: BehaviorPolicy, decisions: Decisions, actions: int) -> tuple[Tensor, Tensor, Tensor]:
    obs, action = flatten(decisions, actions)
    site = decisions.site[:, None].expand(decisions.mask.shape)[decisions.mask]
    return policy.probs(obs, None).log(), action, site


@dataclass(frozen=True, eq=False)
class _Effects:
    sites: Tensor  # (S,)
    effect: Tensor  # (S, A)
    sharpness: float = 1.0

    def on(self, log: Tensor, site: Tensor) -> Tensor:
        """Probabilities (B, A) at sites (B,) from log-probabilities (B, A) without effects."""
        if not len(self.sites):
            return torch.softmax(log, 1)
        place = torch.searchsorted(self.sites, site).clamp_max(len(self.sites) - 1)
        known = (self.sites[place] == site)[:, None]
        return torch.softmax(torch.where(known, self.sharpness * log + self.effect[place], log), 1)


def _fit(log: Tensor, action: Tensor, site: Tensor, sites: Tensor, spread: float) -> _Effects:
    effect, sharpness = torch.zeros(len(sites), log.shape[1], requires_grad=True), torch.ones(1, requires_grad=True)
    known = torch.isin(site, sites)
    if spread == 0 or not known.any():
        return _Effects(sites, effect.detach())
    log, action, place = log[known], action[known], torch.searchsorted(sites, site[known])
    optimizer = torch.optim.LBFGS([effect, sharpness], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.cross_entropy(sharpness * log + effect[place], action, reduction="sum")
        total: Tensor = fit + (effect**2).sum() / (2 * spread**2)
        total.backward()
        return total

    optimizer.step(loss)
    return _Effects(sites, effect.detach(), float(sharpness.detach()))
