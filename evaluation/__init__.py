"""Off-policy estimates, simulator fidelity, safety, and the policy report."""

from .off_policy import ESTIMATORS, Estimate, estimate

__all__ = ["ESTIMATORS", "Estimate", "estimate"]
