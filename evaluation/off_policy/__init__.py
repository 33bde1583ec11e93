"""Off-policy estimators: one file each, the formula of its paper visible."""

from .bandwidth import lepski
from .bootstrap import bootstrap_intervals
from .confounded_decision import Choice, confounded_decision
from .critics import CriticConfig
from .direct_method import direct_method
from .distribution import ReturnDistribution, distribution
from .doubly_robust import doubly_robust
from .estimates import Estimate
from .evaluate import ESTIMATORS, Estimator, estimate
from .fitted_q_evaluation import FittedQ, fitted_q_evaluation
from .importance_sampling import importance_sampling
from .kernel_importance_sampling import kernel_importance_sampling
from .magic import magic
from .marginalized_importance_sampling import marginalized_importance_sampling
from .per_decision_importance_sampling import per_decision_importance_sampling
from .ratios import log_ratio
from .refit import Refit
from .refits import behavior_refits
from .sensitivity import Sensitivity, marginal_sensitivity
from .simulated_direct_method import simulated_direct_method
from .together import per_decision_estimates
from .verdict import Thresholds, Verdict
from .weighted_doubly_robust import weighted_doubly_robust
from .weighted_importance_sampling import weighted_importance_sampling
from .weighted_per_decision_importance_sampling import weighted_per_decision_importance_sampling

__all__ = [
    "Refit",
    "behavior_refits",
    "simulated_direct_method",
    "Choice",
    "Sensitivity",
    "confounded_decision",
    "marginal_sensitivity",
    "ESTIMATORS",
    "CriticConfig",
    "Estimate",
    "Estimator",
    "FittedQ",
    "ReturnDistribution",
    "Thresholds",
    "Verdict",
    "bootstrap_intervals",
    "direct_method",
    "distribution",
    "doubly_robust",
    "estimate",
    "fitted_q_evaluation",
    "importance_sampling",
    "kernel_importance_sampling",
    "lepski",
    "log_ratio",
    "magic",
    "marginalized_importance_sampling",
    "per_decision_estimates",
    "per_decision_importance_sampling",
    "weighted_doubly_robust",
    "weighted_importance_sampling",
    "weighted_per_decision_importance_sampling",
]
