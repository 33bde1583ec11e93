"""Sites, or clinicians, that treat alike patients differently: a behaviour policy with an effect of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor

from ...contracts import Decisions, Trajectories
from ..categorical import draw, log_prob_of
from ..records import flatten
from .calibration import calibrate
from .policy import BehaviorPolicy

Sites = bool | Literal["auto"]

LEAST = 20  # training stays of a site that counts where it is "auto" whether sites are told apart
_SPREADS = (0.1, 0.2, 0.4, 0.8, 1.6)  # standard deviations of the effects between sites, tried beside none
_STEPS = 60


@dataclass(frozen=True, eq=False)
class SitedPolicy:
    """(1 - share) softmax(sharpness * log p(a | o) + effect of the site) + share * base, of a policy p for all sites.

    Over all sites together doses depend on the patient less than within any one, hence the sharpness; `base` is that
    of p. Where no site is told, or one that it does not know, it is p itself.
    """

    kind: ClassVar[str] = "sited_behavior"
    policy: BehaviorPolicy
    sites: Tensor  # (S,) int64, rising
    effect: Tensor  # (S, A) log odds
    spread: float  # standard deviation of the prior of the effects; 0: sites treat alike
    sharpness: float = 1.0
    share: float = 0.0  # of the base

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
        return {**self.policy.settings(), "spread": self.spread, "sharpness": self.sharpness, "base_share": self.share}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.policy.weights() | {"site.names": self.sites, "site.effect": self.effect}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> SitedPolicy:
        """The policy that was saved."""
        policy = BehaviorPolicy.restore(settings, weights)
        spread, sharpness, share = (cast(float, settings[name]) for name in ("spread", "sharpness", "base_share"))
        return cls(policy, weights["site.names"], weights["site.effect"], spread, sharpness, share)


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
        whole, plain = self.whole, self.whole.policy.probs(obs, None)
        if not len(whole.sites):
            return plain
        place, known = _placed(whole.sites, self.site)
        moved = torch.softmax(whole.sharpness * plain.log() + whole.effect[place], 1)
        return torch.where(known[:, None], (1 - whole.share) * moved + whole.share * whole.policy.base, plain)

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


def told_apart(sites: Sites, train: Decisions | Trajectories) -> bool:
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
    decisions, on which each fit is calibrated, are likeliest; 0, no effects at all, is among those tried.
    """
    sites, actions = _known(train), len(policy.base)
    none = SitedPolicy(policy, sites, torch.zeros(len(sites), actions), 0.0)
    (log, action, site), (tuned, taken, where) = (_rows(policy, part, actions) for part in (train, tuning))
    (place, known), (spot, met) = _placed(sites, site), _placed(sites, where)
    if not known.any() or not met.any():
        return none
    tuned, taken, spot = tuned[met], taken[met], spot[met]
    best, kept = float(log_prob_of(tuned.exp(), taken).double().mean()), none
    for spread in _SPREADS:
        effect, sharpness = _fit(log[known], action[known], place[known], torch.zeros(len(sites), actions), spread)
        scores = sharpness * tuned + effect[spot]
        heat, share = calibrate([scores], policy.base, taken)
        mixed = (1 - share) * torch.softmax(scores / heat, 1) + share * policy.base
        likelihood = float(log_prob_of(mixed, taken).double().mean())
        if likelihood > best:
            best, kept = likelihood, SitedPolicy(policy, sites, effect / heat, spread, sharpness / heat, share)
    return kept


def _known(stays: Decisions | Trajectories) -> Tensor:
    """Numbers (S,) of the known sites, rising; a negative one stands for an unknown site."""
    found: Tensor = stays.site[stays.site >= 0].unique()
    return found


def _rows(policy: BehaviorPolicy, decisions: Decisions, actions: int) -> tuple[Tensor, Tensor, Tensor]:
    obs, action = flatten(decisions, actions)
    site = decisions.site[:, None].expand(decisions.mask.shape)[decisions.mask]
    return policy.probs(obs, None).log(), action, site


def _placed(sites: Tensor, site: Tensor) -> tuple[Tensor, Tensor]:
    """Place (B,) of each site among `sites` (S,), and whether it is one of them."""
    if not len(sites):
        return torch.zeros_like(site), torch.zeros_like(site, dtype=torch.bool)
    place = torch.searchsorted(sites, site).clamp_max(len(sites) - 1)
    return place, sites[place] == site


def _fit(log: Tensor, action: Tensor, place: Tensor, effect: Tensor, spread: float) -> tuple[Tensor, float]:
    """Effects (S, A), from `effect` on, and sharpness that make actions (M,) likeliest under a prior of `spread`."""
    effect, sharpness = effect.requires_grad_(), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([effect, sharpness], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.cross_entropy(sharpness * log + effect[place], action, reduction="sum")
        total: Tensor = fit + (effect**2).sum() / (2 * spread**2)
        total.backward()
        return total

    optimizer.step(loss)
    return effect.detach(), float(sharpness.detach())
