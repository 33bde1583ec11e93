"""One call for researchers: what a policy would be worth, from the decisions of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...contracts import Blend, Decisions, Policy
from .estimates import Estimate, cluster_of
from .importance_sampling import importance_sampling
from .logged import Numbers
from .per_decision_importance_sampling import per_decision_importance_sampling
from .ratios import ratios
from .weighted_importance_sampling import weighted_importance_sampling
from .weighted_per_decision_importance_sampling import weighted_per_decision_importance_sampling

Input = Literal["reward", "log_ratio", "mask", "discount"]


@dataclass(frozen=True)
class Estimator:
    """An estimator and the inputs it needs, which it takes under these names."""

    function: Callable[..., Estimate]
    needs: tuple[Input, ...]


_RATIOS: tuple[Input, ...] = ("reward", "log_ratio", "mask", "discount")

ESTIMATORS: Mapping[str, Estimator] = {
    "importance_sampling": Estimator(importance_sampling, _RATIOS),
    "per_decision_importance_sampling": Estimator(per_decision_importance_sampling, _RATIOS),
    "weighted_importance_sampling": Estimator(weighted_importance_sampling, _RATIOS),
    "weighted_per_decision_importance_sampling": Estimator(weighted_per_decision_importance_sampling, _RATIOS),
}


def estimate(
    decisions: Decisions,
    policy: Policy | Blend,
    behavior: Policy | None,
    estimators: Sequence[str] = tuple(ESTIMATORS),
    *,
    discount: float | Numbers = 1.0,
) -> dict[str, Estimate]:
    """Value of `policy` on logged `decisions`, by each of the named estimators.

    `behavior` is who made the decisions, fitted on other patients; None takes the propensities recorded in the
    decisions. Stays of one patient are resampled together. ValueError for an unknown estimator.
    """
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise ValueError(f"unknown estimator {unknown[0]!r}; expected one of {', '.join(ESTIMATORS)}")
    found = ratios(decisions, policy, behavior)
    inputs: dict[Input, object] = {
        "reward": decisions.reward,
        "log_ratio": found.log_ratio,
        "mask": decisions.mask,
        "discount": discount,
    }
    patients = cluster_of(decisions.subject, len(decisions))
    results = {}
    for name in estimators:
        entry = ESTIMATORS[name]
        result = entry.function(**{need: inputs[need] for need in entry.needs})
        weights = tuple(replace(w, rare=found.rare, excess=found.excess) for w in result.weights)
        results[name] = replace(result, weights=weights, cluster=patients)
    return results
