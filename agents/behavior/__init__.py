"""Behaviour policies: what clinicians do, fitted from logged decisions; the denominator of importance weights."""

from .fit import BehaviorConfig, fit_behavior
from .policy import BehaviorPolicy
from .sites import FittedBehavior, SitedPolicy, fit_sites, told_apart, without_sites

__all__ = [
    "BehaviorConfig",
    "BehaviorPolicy",
    "FittedBehavior",
    "SitedPolicy",
    "fit_behavior",
    "fit_sites",
    "told_apart",
    "without_sites",
]
