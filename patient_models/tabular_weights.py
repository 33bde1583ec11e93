"""Exact moments of importance weights in a tabular patient: how many logged stays an off-policy estimate is worth.

The weight of a stay is the product over its decisions of target over behaviour probability. Its moments follow the
same recursion as values, with the ratio's power in the place of the policy (Liu et al. 2018, arXiv 1810.12429,
section 2, tell why they explode with the number of decisions).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .tabular import Tabular
from .tabular_values import SURVIVAL, Worth


@dataclass(frozen=True)
class WeightMoments:
    """Of the weights of stays logged under the behaviour policy, up to a horizon."""

    mean: float  # one where the behaviour covers the target; less says how much of the target is never seen
    second: float  # mean of the squared weights
    value: float  # mean of weight x worth: what ordinary importance sampling estimates
    variance: float  # of weight x worth of one stay

    @property
    def effective_share(self) -> float:
        """Effective sample size per logged stay: squared mean over mean square (Kong 1992), exact for many stays."""
        return self.mean**2 / self.second if self.second > 0 else 0.0

    def effective_sample_size(self, stays: int) -> float:
        """Of `stays` logged stays."""
        return stays * self.effective_share

    def standard_error(self, stays: int) -> float:
        """Of ordinary importance sampling on `stays` logged stays."""
        return float((self.variance / stays) ** 0.5)


def weight_moments(
    patient: Tabular, target: Tensor, behavior: Tensor, *, horizon: int, worth: Worth = SURVIVAL
) -> WeightMoments:
    """Moments under the probabilities `behavior` (S, A) of weights for `target`, (S, A) or (T, S, A).

    Stays in care at the horizon carry the weight that they have then. ValueError for tables of another shape.
    """
    shape = (patient.states, patient.spec.actions)
    if behavior.shape != shape or target.shape[-2:] != shape:
        raise ValueError(f"expected tables of {shape}, got {tuple(target.shape)} and {tuple(behavior.shape)}")
    if target.dim() == 3 and len(target) != horizon:
        raise ValueError(f"a target of {len(target)} decisions needs that horizon, got {horizon}")
    ends = worth.ends
    squared = ends.square()
    one, none = torch.ones(2, dtype=torch.float64), torch.full((patient.states,), worth.in_care, dtype=torch.float64)
    mean, second = torch.ones_like(none), torch.ones_like(none)
    first_moment, square_moment = none, none.square()
    for t in reversed(range(horizon)):
        chosen = target[t] if target.dim() == 3 else target
        plain = torch.where(behavior > 0, chosen, 0.0)
        square = torch.where(behavior > 0, chosen.square() / behavior.clamp_min(1e-300), 0.0)
        both = torch.stack([torch.cat([mean, one]), torch.cat([first_moment, ends])], 1)
        twice = torch.stack([torch.cat([second, one]), torch.cat([square_moment, squared])], 1)
        mean, first_moment = torch.einsum("sa,sak->sk", plain, patient.transition @ both).unbind(1)
        second, square_moment = torch.einsum("sa,sak->sk", square, patient.transition @ twice).unbind(1)
    found = [float(patient.start @ x) for x in (mean, second, first_moment, square_moment)]
    return WeightMoments(found[0], found[1], found[2], max(0.0, found[3] - found[2] ** 2))


def moments_by_decision(patient: Tabular, target: Tensor, behavior: Tensor, *, horizon: int) -> tuple[Tensor, Tensor]:
    """Mean and mean square (T,) float64 of the weights as they are after each decision, for tables (S, A).

    Forwards in time, all horizons at once: the last ones are those of `weight_moments`.
    """
    found = []
    for power in (1, 2):
        moves = _tilted(patient, target, behavior, power)
        in_care, ended, column = patient.start.clone(), torch.zeros((), dtype=torch.float64), []
        for _ in range(horizon):
            ended = ended + (in_care @ moves[:, patient.states :]).sum()
            in_care = in_care @ moves[:, : patient.states]
            column.append(ended + in_care.sum())
        found.append(torch.stack(column))
    return found[0], found[1]


def bounded(patient: Tabular, target: Tensor, behavior: Tensor) -> bool:
    """Whether the mean square of the weights stays finite without a horizon, for tables (S, A).

    It does where the matrix that carries it from state to state has a spectral radius under one, among the states
    that can be reached.
    """
    moves = _tilted(patient, target, behavior, 2)[:, : patient.states]
    reached = patient.start > 0
    for _ in range(patient.states):
        further = reached | (moves[reached] > 0).any(0)
        if bool((further == reached).all()):
            break
        reached = further
    radius = torch.linalg.eigvals(moves[reached][:, reached]).abs().max()
    return bool(radius < 1)


def _tilted(patient: Tabular, target: Tensor, behavior: Tensor, power: int) -> Tensor:
    """sum_a target ** power behavior ** (1 - power) P(s' | s, a): (S, S + 2)."""
    shape = (patient.states, patient.spec.actions)
    if behavior.shape != shape or target.shape != shape:
        raise ValueError(f"expected tables of {shape}, got {tuple(target.shape)} and {tuple(behavior.shape)}")
    ratio = torch.where(behavior > 0, target**power * behavior.clamp_min(1e-300) ** (1 - power), 0.0)
    return torch.einsum("sa,sak->sk", ratio, patient.transition)
