"""One call for researchers: what a policy would be worth, from the decisions of others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from ...contracts import Blend, Decisions, Policy
from .agreement import with_agreement
from .direct_method import direct_method
from .doubly_robust import doubly_robust
from .estimates import Estimate, cluster_of
from .importance_sampling import importance_sampling
from .kernel_importance_sampling import kernel_importance_sampling
from .logged import Numbers
from .magic import magic
from .marginalized_importance_sampling import marginalized_importance_sampling
from .per_decision_importance_sampling import per_decision_importance_sampling
from .ratios import Ratios, behavior_log_prob, ratios, target_dose
from .refit import Refit, refitted
from .refits import with_shifts
from .together import per_decision_estimates
from .weighted_doubly_robust import weighted_doubly_robust
from .weighted_importance_sampling import weighted_importance_sampling
from .weighted_per_decision_importance_sampling import weighted_per_decision_importance_sampling

Input = Literal[
    "reward", "log_ratio", "mask", "discount", "q", "v", "cluster", "state",
    "dose", "target_dose", "log_behavior", "bandwidth",
]  # fmt: skip


@dataclass(frozen=True)
class Estimator:
    """An estimator and the inputs it needs, which it takes under these names."""

    function: Callable[..., Estimate]
    needs: tuple[Input, ...]


_RATIOS: tuple[Input, ...] = ("reward", "log_ratio", "mask", "discount")
_CRITIC: tuple[Input, ...] = (*_RATIOS, "q", "v")
_DOSES: tuple[Input, ...] = ("reward", "dose", "target_dose", "log_behavior", "mask", "discount", "bandwidth")
_REMEDY: Mapping[Input, str] = {
    "q": "pass q and v of fitted_q_evaluation",
    "v": "pass v of fitted_q_evaluation",
    "state": "pass state, what the future depends on: (N, T) int64 or features (N, T, F) such as obs[:, :-1]",
    "bandwidth": "pass bandwidth, in units of the dose",
}

ESTIMATORS: Mapping[str, Estimator] = {
    "importance_sampling": Estimator(importance_sampling, _RATIOS),
    "per_decision_importance_sampling": Estimator(per_decision_importance_sampling, _RATIOS),
    "weighted_importance_sampling": Estimator(weighted_importance_sampling, _RATIOS),
    "weighted_per_decision_importance_sampling": Estimator(weighted_per_decision_importance_sampling, _RATIOS),
    "direct_method": Estimator(direct_method, ("v",)),
    "doubly_robust": Estimator(doubly_robust, _CRITIC),
    "weighted_doubly_robust": Estimator(weighted_doubly_robust, _CRITIC),
    "magic": Estimator(magic, (*_CRITIC, "cluster")),
    "marginalized_importance_sampling": Estimator(marginalized_importance_sampling, (*_RATIOS, "state")),
    "kernel_importance_sampling": Estimator(kernel_importance_sampling, _DOSES),
}


@dataclass(frozen=True)
class _Together:
    """Estimators that one function makes from the same inputs."""

    function: Callable[..., dict[str, Estimate]]
    names: frozenset[str]


_AT_ONCE = _Together(per_decision_estimates, frozenset({"per_decision_importance_sampling", "doubly_robust"}))


def estimate(
    decisions: Decisions,
    policy: Policy | Blend,
    behavior: Policy | None,
    estimators: Sequence[str] | None = None,
    *,
    discount: float | Numbers = 1.0,
    q: Numbers | None = None,
    v: Numbers | None = None,
    state: Numbers | None = None,
    bandwidth: float | None = None,
    refit: Refit | None = None,
    refits: Sequence[Policy] = (),
) -> dict[str, Estimate]:
    """Value of `policy` on logged `decisions`, by each of the named estimators, by default all that have their inputs.

    `behavior` is who made the decisions, fitted on other patients; None takes the propensities recorded in the
    decisions. `q` (N, T), `v` (N, T+1) come from a critic of `policy` fitted on other patients; `state` and
    `bandwidth` are those of marginalised and kernel importance sampling. Stays of one patient are resampled
    together. With `refits`, behaviour policies fitted to resampled patients (`behavior_refits`), intervals carry the
    error of the fitted behaviour policy, and the verdict asks whether weights and critic agree; with `refit` one is
    fitted in every resample: see `refitted`.
    ValueError for an unknown estimator or one whose input is missing, or a refit of estimates that need more than
    decisions and policies.
    """
    if refit is not None:
        if not (q is None and v is None and state is None and bandwidth is None and isinstance(discount, int | float)):
            raise ValueError("refit: expected estimators of ratios alone and a single discount; leave q, v, state out")
        return _refitted(decisions, policy, behavior, estimators, float(discount), refit)
    given: dict[Input, object] = {"q": q, "v": v, "state": state, "bandwidth": bandwidth}
    missing = {name for name, value in given.items() if value is None}
    names = [n for n, e in ESTIMATORS.items() if not missing & set(e.needs)] if estimators is None else list(estimators)
    for name in names:
        _check(name, missing)
    patients = cluster_of(decisions.subject, len(decisions))
    given |= {"reward": decisions.reward, "mask": decisions.mask, "discount": discount, "cluster": patients}
    needed = {need for name in names for need in ESTIMATORS[name].needs}
    found = ratios(decisions, policy, behavior) if "log_ratio" in needed else None
    if found is not None:
        given["log_ratio"] = found.log_ratio
    if "target_dose" in needed:
        given |= _doses(decisions, policy, behavior)
    results = {n: replace(_with_actions(one, found), cluster=patients) for n, one in _all(names, given).items()}
    if not refits:
        return results
    if found is not None:
        critic = None if q is None or v is None else (q, v)
        results = with_agreement(results, decisions.reward, found.log_ratio, decisions.mask, critic, discount)
    anew = [
        estimate(decisions, _beside(policy, behavior, one), one, names, discount=discount, q=q, v=v, state=state,
                 bandwidth=bandwidth)
        for one in refits
    ]  # fmt: skip
    return with_shifts(results, anew)


def _all(names: Sequence[str], given: Mapping[Input, object]) -> dict[str, Estimate]:
    """The named estimates in their order; those that can be had from one pass over the stays together."""
    of = {name: {need: given[need] for need in ESTIMATORS[name].needs} for name in names}
    once = _AT_ONCE.function(**of["doubly_robust"]) if set(names) >= _AT_ONCE.names else {}
    return {name: once[name] if name in once else ESTIMATORS[name].function(**of[name]) for name in names}


def _refitted(
    decisions: Decisions,
    policy: Policy | Blend,
    behavior: Policy | None,
    estimators: Sequence[str] | None,
    discount: float,
    refit: Refit,
) -> dict[str, Estimate]:
    once = estimate(decisions, policy, behavior, estimators, discount=discount)

    def again(stays: Decisions, fitted: Policy) -> dict[str, Estimate]:
        return estimate(stays, _beside(policy, behavior, fitted), fitted, list(once), discount=discount)

    return refitted(once, again, decisions, refit)


def _beside(policy: Policy | Blend, behavior: Policy | None, fitted: Policy) -> Policy | Blend:
    """The behaviour policy, alone or in a blend, is the policy fitted anew."""
    if policy is behavior:
        return fitted
    if isinstance(policy, Blend) and policy.base is behavior:
        return replace(policy, base=fitted)
    return policy


def _check(name: str, missing: Collection[Input]) -> None:
    if name not in ESTIMATORS:
        raise ValueError(f"unknown estimator {name!r}; expected one of {', '.join(ESTIMATORS)}")
    absent = next((need for need in ESTIMATORS[name].needs if need in missing), None)
    if absent is not None:
        raise ValueError(f"{name} needs {absent}, got None; {_REMEDY[absent]}")


def _with_actions(result: Estimate, found: Ratios | None) -> Estimate:
    """The estimate, told about the actions not taken."""
    if found is None:
        return result
    return replace(result, weights=tuple(replace(w, rare=found.rare, excess=found.excess) for w in result.weights))


def _doses(decisions: Decisions, policy: Policy | Blend, behavior: Policy | None) -> dict[Input, object]:
    return {
        "dose": torch.where(decisions.mask[..., None], decisions.action, 0.0),
        "target_dose": target_dose(decisions, policy),
        "log_behavior": behavior_log_prob(decisions, behavior),
    }
