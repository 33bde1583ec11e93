"""Behaviour policies: what clinicians do, fitted from logged decisions; the denominator of importance weights."""

from .fit import BehaviorConfig, fit_behavior
from .policy import BehaviorPolicy
from .sites import SitedPolicy, fit_sites

__all__ = ["BehaviorConfig", "BehaviorPolicy", "SitedPolicy", "fit_behavior", "fit_sites"]
