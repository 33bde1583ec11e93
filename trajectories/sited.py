"""Policies that differ between sites, or clinicians, and how one is asked about rows whose sites are known."""

from __future__ import annotations

from typing import Protocol, overload, runtime_checkable

from torch import Tensor

from ..contracts import Blend, Clinician, DiscretePolicy, Policy


@runtime_checkable
class Sited(Protocol):
    """A policy that differs between sites, or clinicians. Asked without a site, it is that of none in particular."""

    def at(self, site: Tensor) -> DiscretePolicy: ...  # the policy for rows of these sites (B,)


@overload
def here(policy: DiscretePolicy, site: Tensor) -> DiscretePolicy: ...
@overload
def here(policy: Policy, site: Tensor) -> Policy: ...
@overload
def here(policy: Policy | Blend, site: Tensor) -> Policy | Blend: ...


def here(policy: Policy | Blend, site: Tensor) -> Policy | Blend:
    """The policy of these sites (B,), where it tells them apart; of a blend, each of its two."""
    if isinstance(policy, Blend):
        base = policy.base if isinstance(policy.base, Clinician) else here(policy.base, site)
        return Blend(here(policy.policy, site), base, policy.share)
    return policy.at(site) if isinstance(policy, Sited) else policy
