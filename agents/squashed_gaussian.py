"""A policy of continuous doses whose spread depends on the patient: what soft actor-critic learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .gaussian import squash, squashed_log_density
from .mlp import MLP, Activation

LEAST, GREATEST = -20.0, 2.0  # of the logarithm of the spread


@dataclass(frozen=True, eq=False)
class SquashedGaussianPolicy:
    """`tanh(mean(obs) + exp(log_spread(obs)) * noise)` for each drug (Haarnoja et al. 2018, arXiv 1812.05905, app. C).

    Unlike the policy of `gaussian`, the network also gives the spread of each drug's dose.
    """

    kind: ClassVar[str] = "squashed_gaussian"
    network: MLP  # O columns in, 2 U out: the means before squashing, then the logarithms of their spread

    def __post_init__(self) -> None:
        if self.network.outputs % 2:
            raise ValueError(f"expected a mean and a spread per drug, got {self.network.outputs} outputs")

    @property
    def noise_dim(self) -> int:
        """One standard normal per drug."""
        return self.network.outputs // 2

    @torch.no_grad()
    def mean(self, obs: Tensor) -> Tensor:
        """The action (B, U) without any chance."""
        return squash(self._parameters(obs)[0])

    @torch.no_grad()
    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B, U) in -1..1 from standard normals (B, U); there is nothing to disallow."""
        mean, log_spread = self._parameters(obs)
        return squash(mean + log_spread.exp() * noise)

    @torch.no_grad()
    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-density (B,) of `action` (B, U) in -1..1."""
        return squashed_log_density(action, *self._parameters(obs))

    def _parameters(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_spread = self.network(obs).chunk(2, 1)
        return mean, log_spread.clamp(LEAST, GREATEST)

    def to(self, device: torch.device | str) -> SquashedGaussianPolicy:
        """The same policy on `device`."""
        return SquashedGaussianPolicy(self.network.to(device))

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.network.activation}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.network.weights()

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> SquashedGaussianPolicy:
        """The policy that was saved; ValueError where the parts do not fit."""
        return cls(MLP.from_weights(weights, cast(Activation, settings["activation"])))
