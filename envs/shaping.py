"""Shaped reward: a change of severity is felt at once, not only at the end of the stay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..contracts import IN_CARE, PatientState, Spec, Step, Treatment
from ..trajectories.scaling import Scaler
from .observation import BOUND
from .wrapped import Wrapped, wrap


@dataclass(frozen=True)
class Severity:
    """How ill a patient looks: the weighted sum of scaled features, each within +-BOUND; higher is worse.

    Weights are per half-width of the reference range, positive where higher is worse: {"sofa": 0.1, "map": -0.05}.
    KeyError for a feature that the spec lacks, ValueError for no weight or one that is not finite.
    """

    spec: Spec
    weights: Mapping[str, float]
    _on: dict[torch.device, tuple[Scaler, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in self.weights:
            self.spec.feature(name)
        if not self.weights or not all(map(math.isfinite, self.weights.values())):
            raise ValueError(f"severity: expected a finite weight for at least one feature, got {dict(self.weights)}")

    def __call__(self, state: PatientState) -> Tensor:
        """Severity (B,)."""
        device = state.vitals.device
        if device not in self._on:
            weight = torch.tensor([self.weights.get(f.name, 0.0) for f in self.spec.features])
            self._on[device] = Scaler.of(self.spec.features).to(device), weight.to(device)
        scaler, weight = self._on[device]
        return (scaler.scale(state.vitals).clamp(-BOUND, BOUND) * weight).sum(1)


def shaped(treatment: Treatment, severity: Severity, *, discount: float = 1.0, keeps_optimum: bool = True) -> Wrapped:
    """The treatment whose every step pays the fall in severity besides its reward, for policies to learn in.

    The payment is discount * potential(after) - potential(before), the potential being minus the severity and 0 once
    a stay is over: over a whole stay it adds up to the severity at admission, whatever was done, so that the best
    policy stays the best (Ng, Harada & Russell 1999, ICML, theorem 1). With `keeps_optimum` False the severity at the
    end counts too, as in rewards by change of SOFA, and the best policy may be another. `reward` stays the
    treatment's own: rewards of records and values are never shaped, only `step` is.
    """

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        plain = treatment.step(state, action, hours, noise)
        after = -discount * severity(plain.state)
        if keeps_optimum:
            over = plain.terminated if treatment.bootstrap_at_horizon else plain.terminated | plain.truncated
            after = torch.where(over, 0.0, after)
        payment = torch.where(state.outcome == IN_CARE, after + severity(state), 0.0)
        return replace(plain, reward=plain.reward + payment)

    return replace(wrap(treatment), step=step)
