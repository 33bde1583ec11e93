"""Behaviour policies of off-policy studies: the clinicians' own propensities, good fits of them, and a bad one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch

from ...agents.behavior import BehaviorConfig, fit_behavior
from ...contracts import Decisions, DiscretePolicy, Policy, Treatment
from ...evaluation.off_policy import behavior_refits
from .candidates import Tilted

BEHAVIORS = ("true", "network", "logistic", "sharpened")
REFITS = 4  # fewer than in runs, for time


@dataclass(frozen=True)
class Known:
    """A behaviour policy with its refits; None and no refits for the propensities that cohorts record."""

    name: str
    policy: Policy | None
    refits: tuple[Policy, ...] = ()


def known_behaviors(names: Sequence[str], logged: Decisions, treatment: Treatment, seed: int) -> list[Known]:
    """The behaviour policies of those names, fitted to `logged` stays, of which every fifth stops and calibrates."""
    cut = len(logged) * 4 // 5
    train, tuning = logged.rows(torch.arange(cut)), logged.rows(torch.arange(cut, len(logged)))
    return [_known(name, train, tuning, treatment.spec.actions, seed) for name in names]


def _known(name: str, train: Decisions, tuning: Decisions, actions: int, seed: int) -> Known:
    if name == "true":
        return Known(name, None)
    kind = cast(Literal["logistic", "network"], "logistic" if name == "sharpened" else name)
    config = BehaviorConfig(actions=actions, kind=kind)

    def fit(some: Decisions, others: Decisions, number: int) -> Policy:
        fitted = fit_behavior(some, others, config, seed=number)
        return _sharpened(fitted) if name == "sharpened" else fitted

    return Known(name, fit(train, tuning, seed), behavior_refits(fit, train, tuning, REFITS, seed=seed))


def _sharpened(policy: DiscretePolicy) -> Tilted:
    """At half its temperature: a mistake that the mean weight reveals."""
    return Tilted(policy, torch.zeros(policy.noise_dim), power=2.0)
