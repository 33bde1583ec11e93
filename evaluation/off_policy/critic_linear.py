"""A linear critic: the value of a target policy by repeated least squares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .critics import CriticConfig, Fit, Scale, bellman_error
from .transitions import Transitions

_REST = 1e-6  # standard deviations of the return by which a target may still move


@dataclass(frozen=True)
class LinearCritic:
    """Coefficients linear in scaled observations and a constant."""

    scale: Scale
    shared: Tensor  # (O+1,)
    own: Tensor  # (O+1, A) of each action, or of each product of doses

    def __call__(self, obs: Tensor) -> Tensor:
        """Coefficients (M, A): the first column of a dose basis, or every action, holds the shared part."""
        design = with_constant(self.scale.inputs(obs))
        return design @ (self.own + self.shared[:, None])


def with_constant(x: Tensor) -> Tensor:
    """The columns (M, O) and a constant 1."""
    return torch.cat((x, torch.ones_like(x[:, :1])), 1)


def fit_linear(data: Transitions, most: Transitions, tuning: Transitions, config: CriticConfig, length: int) -> Fit:
    """Regressions from the observed returns on, until the value rests: `rounds` at most, no fewer than decisions.

    Exact where features tell every state and time apart. Where they do not, a reward at the end of a stay of T
    decisions reaches its beginning only within several T rounds: from value 0, T of them would leave a third of it
    out. Discrete actions share one regression and each has its own correction, shrunk by `ridge`. Nothing is stopped
    early: the error is that of a fit on `most` stays for the others, `tuning`, and the critic is fitted on all.
    """
    error = bellman_error(_iterate(most, config, length)[0], tuning)
    critic, rounds = _iterate(data, config, length)
    return Fit(critic, error, rounds)


def _iterate(data: Transitions, config: CriticConfig, length: int) -> tuple[LinearCritic, int]:
    scale = Scale.of(data, length)
    design = with_constant(scale.inputs(data.obs))
    kind = _Discrete if data.discrete else _Doses
    solver = kind(design, data.taken, config.ridge)
    target, rounds = data.returns(length), 0
    while True:
        shared, own = solver.solve(target)
        value = ((design @ (own + shared[:, None])) * data.wanted).sum(1)
        following = data.targets(value)
        moved = float((following - target).abs().max())
        rounds += 1
        if rounds > max(config.rounds, length) or (rounds > length and moved <= _REST * scale.unit):
            return LinearCritic(scale, shared, own), rounds
        target = following


class _Discrete:
    """Least squares with one shared regression and a correction for each action."""

    def __init__(self, design: Tensor, taken: Tensor, ridge: float) -> None:
        self._design, self._taken = design, taken
        size = design.shape[1]
        gram = torch.stack([design[rows].T @ design[rows] for rows in taken.bool().T])
        total = gram.sum(0)
        mean = total / len(design)
        small = 1e-10 * mean.diagonal().mean() * torch.eye(size).double()
        self._pooled = torch.linalg.cholesky(total + len(design) * small)
        self._own = torch.linalg.cholesky(gram + ridge * mean.diagonal().diag_embed() + small)

    def solve(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Shared (P,) and own (P, A) coefficients for targets (M,)."""
        shared = torch.cholesky_solve((self._design.T @ target)[:, None], self._pooled)[:, 0]
        left = (target - self._design @ shared)[:, None] * self._taken
        own = torch.cholesky_solve((self._design.T @ left).T[..., None], self._own)[..., 0]
        return shared, own.T


class _Doses:
    """Least squares on observations times the basis of doses."""

    def __init__(self, design: Tensor, taken: Tensor, ridge: float) -> None:
        self._shape = design.shape[1], taken.shape[1]
        self._products = (design[:, :, None] * taken[:, None]).flatten(1)
        gram = self._products.T @ self._products
        slack = ridge * gram.diagonal() / len(design) + 1e-10 * gram.diagonal().mean()
        self._factor = torch.linalg.cholesky(gram + slack.diag())

    def solve(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """No shared (P,), and the (P, A) coefficients for targets (M,)."""
        found = torch.cholesky_solve((self._products.T @ target)[:, None], self._factor)[:, 0]
        return found.new_zeros(self._shape[0]), found.reshape(self._shape)
