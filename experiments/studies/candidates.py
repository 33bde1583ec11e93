"""Policies from near to far of a clinician, on any patient with discrete doses: what the accuracy study judges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...agents.baselines import most_frequent, no_treatment, random_policy
from ...agents.categorical import draw, log_prob_of, renormalised
from ...contracts import Blend, Clinician, Decisions, DiscretePolicy, Drug, Spec
from ...trajectories.levels import levels_of_action

Target = DiscretePolicy | Blend
SHARES = (0.05, 0.1, 0.2, 0.3)
SHIFTS = (-3.0, -1.0, 1.0, 3.0)  # log odds of the highest level of a drug against none


@dataclass(frozen=True, eq=False)
class Tilted:
    """Another policy's probabilities times exp(shift), which may differ by action; sharpened where power is over 1."""

    base: DiscretePolicy
    shift: Tensor  # (A,)
    power: float = 1.0

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return len(self.shift)

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A)."""
        tilted = (self.power * self.base.probs(obs, None).log() + self.shift).softmax(1)
        return renormalised(tilted, allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)


def candidates(spec: Spec, fitted: DiscretePolicy, logged: Decisions, clinician: Clinician) -> dict[str, Target]:
    """Twelve policies or more, and as many blends of three of them into the clinician."""
    actions = spec.actions
    levels = levels_of_action(spec, torch.arange(actions)).float()  # (A, U)
    found: dict[str, Target] = {
        "random": random_policy(actions),
        "none": no_treatment(actions),
        "most_frequent": most_frequent(logged, actions),
        "sharpened": Tilted(fitted, torch.zeros(actions), power=4.0),
    }
    for number, drug in enumerate(spec.drugs):
        for shift in _shifts(spec):
            name = _tilt(shift, drug)
            found[name] = Tilted(fitted, shift * levels[:, number] / levels[:, number].max())
    for name in ("random", "none", "sharpened"):
        policy = found[name]
        assert isinstance(policy, DiscretePolicy)
        found |= {f"{share:.0%} {name}": Blend(policy, clinician, share) for share in SHARES}
    return found


def mildest(spec: Spec) -> list[str]:
    """Names of the candidates that give a little less, or a little more, of one drug."""
    least = min(map(abs, _shifts(spec)))
    return [_tilt(shift, drug) for drug in spec.drugs for shift in (-least, least)]


def _shifts(spec: Spec) -> list[float]:
    """Twice as many where there is one drug only."""
    return sorted(SHIFTS if len(spec.drugs) > 1 else {*SHIFTS, *(x / 2 for x in SHIFTS)})


def _tilt(shift: float, drug: Drug) -> str:
    return f"{'more' if shift > 0 else 'less'} {drug.name} {abs(shift):g}"
