"""Off-policy estimators: one file each, the formula of its paper visible."""

from .bootstrap import bootstrap_intervals
from .estimates import Estimate
from .evaluate import ESTIMATORS, Estimator, estimate
from .importance_sampling import importance_sampling
from .per_decision_importance_sampling import per_decision_importance_sampling
from .ratios import log_ratio
from .verdict import Thresholds, Verdict
from .weighted_importance_sampling import weighted_importance_sampling
from .weighted_per_decision_importance_sampling import weighted_per_decision_importance_sampling

__all__ = [
    "ESTIMATORS",
    "Estimate",
    "Estimator",
    "Thresholds",
    "Verdict",
    "bootstrap_intervals",
    "estimate",
    "importance_sampling",
    "log_ratio",
    "per_decision_importance_sampling",
    "weighted_importance_sampling",
    "weighted_per_decision_importance_sampling",
]
