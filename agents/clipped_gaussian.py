"""A policy of continuous doses computed by a network: a Gaussian, cut off where the usable range ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .mlp import MLP, Activation


@dataclass(frozen=True, eq=False)
class ClippedGaussianPolicy:
    """Independent Gaussians around a network's outputs, clipped to -1..1: what is executed.

    The ends of the range carry probability of their own, so that "no drug" is an action and not a limit. It is what
    Stable-Baselines3's PPO learns; the policy of `gaussian` is squashed instead.
    """

    kind: ClassVar[str] = "clipped_gaussian"
    network: MLP  # O columns in, U out: the means
    log_std: Tensor  # (U,)

    @property
    def noise_dim(self) -> int:
        """U, one standard normal per drug."""
        return self.network.outputs

    @torch.no_grad()
    def mean(self, obs: Tensor) -> Tensor:
        """The most typical action (B, U), clipped to -1..1."""
        return self.network(obs).clamp(-1, 1)

    @torch.no_grad()
    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B, U) from standard normals (B, U); there is nothing to disallow."""
        return (self.network(obs) + self.log_std.exp() * noise).clamp(-1, 1)

    @torch.no_grad()
    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-likelihood (B,): per drug a density within the range, at its ends the probability of all beyond."""
        z = (action - self.network(obs)) / self.log_std.exp()
        inside = -0.5 * z.square() - self.log_std - 0.5 * math.log(2 * math.pi)
        below, above = torch.special.log_ndtr(z), torch.special.log_ndtr(-z)
        return torch.where(action <= -1, below, torch.where(action >= 1, above, inside)).sum(1)

    def to(self, device: torch.device | str) -> ClippedGaussianPolicy:
        """The same policy on `device`."""
        return ClippedGaussianPolicy(self.network.to(device), self.log_std.to(device))

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.network.activation}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {"log_std": self.log_std, **self.network.weights("mean.")}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> ClippedGaussianPolicy:
        """The policy that was saved; ValueError where the parts do not fit."""
        return cls(MLP.from_weights(weights, cast(Activation, settings["activation"]), "mean."), weights["log_std"])
