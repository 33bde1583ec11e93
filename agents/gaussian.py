"""A policy over continuous doses: a Gaussian squashed into -1..1 for each drug."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .mlp import MLP, Activation

EDGE = 1e-6  # actions are kept this far inside -1..1, where the squashing has an inverse
_LOG_2, _HALF_LOG_2PI = math.log(2.0), 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class GaussianPolicy:
    """`tanh(mean(obs) + exp(log_spread) * noise)`: every dose of the range has a density, so that ratios exist.

    The squashed Gaussian of Haarnoja et al. 2018 (arXiv 1812.05905, appendix C), with a spread that does not depend on
    the observation.
    """

    kind: ClassVar[str] = "gaussian"
    network: MLP  # O columns in, U out: means before squashing
    log_spread: Tensor  # (U,) logarithm of the standard deviation before squashing

    def __post_init__(self) -> None:
        if self.log_spread.shape != (self.network.outputs,):
            raise ValueError(
                f"expected one spread per drug ({self.network.outputs}), got shape {tuple(self.log_spread.shape)}"
            )

    @property
    def noise_dim(self) -> int:
        """One standard normal per drug."""
        return self.network.outputs

    @torch.no_grad()
    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B, U) in -1..1 from standard normals (B, U)."""
        return squash(self.network(obs) + self.log_spread.exp() * noise)

    @torch.no_grad()
    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-density (B,) of `action` (B, U) in -1..1."""
        return squashed_log_density(action, self.network(obs), self.log_spread)

    def to(self, device: torch.device | str) -> GaussianPolicy:
        """The same policy on `device`."""
        return GaussianPolicy(self.network.to(device), self.log_spread.to(device))

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.network.activation}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {**self.network.weights(), "log_spread": self.log_spread}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> GaussianPolicy:
        """The policy that was saved; ValueError or KeyError where the parts do not fit."""
        layers = {name: value for name, value in weights.items() if name != "log_spread"}
        return cls(MLP.from_weights(layers, cast(Activation, settings["activation"])), weights["log_spread"])


def squash(before: Tensor) -> Tensor:
    """Actions in -1..1, strictly inside."""
    return torch.tanh(before).clamp(-1 + EDGE, 1 - EDGE)


def gaussian_log_density(before: Tensor, mean: Tensor, log_spread: Tensor) -> Tensor:
    """Log-density (B,) of `before` (B, U), independent over drugs, before any squashing."""
    standard = (before - mean) / log_spread.exp()
    return (-0.5 * standard**2 - log_spread - _HALF_LOG_2PI).sum(1)


def squashed_log_density(action: Tensor, mean: Tensor, log_spread: Tensor) -> Tensor:
    """Log-density (B,) of `action` (B, U) in -1..1, of a Gaussian with these parameters before squashing."""
    before = torch.atanh(action.clamp(-1 + EDGE, 1 - EDGE))
    density = gaussian_log_density(before, mean, log_spread)
    # log(1 - tanh(x)^2) = 2 (log 2 - x - softplus(-2 x)), without cancellation
    return density - 2 * (_LOG_2 - before - torch.nn.functional.softplus(-2 * before)).sum(1)
