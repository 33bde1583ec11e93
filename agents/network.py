"""A stochastic policy computed by a network: what every learned treatment policy becomes once trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .categorical import draw, log_prob_of, masked_softmax
from .mlp import MLP, Activation


@dataclass(frozen=True, eq=False)
class NetworkPolicy:
    """Softmax of a network's outputs over the allowed actions. It stays stochastic, so that ratios exist."""

    kind: ClassVar[str] = "network"
    network: MLP  # O columns in, A out

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return self.network.outputs

    @torch.no_grad()
    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A); ValueError for observations of another width."""
        return masked_softmax(self.network(obs), allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    @torch.no_grad()
    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)

    def to(self, device: torch.device | str) -> NetworkPolicy:
        """The same policy on `device`."""
        return NetworkPolicy(self.network.to(device))

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.network.activation}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.network.weights()

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> NetworkPolicy:
        """The policy that was saved; ValueError where the parts do not fit."""
        return cls(MLP.from_weights(weights, cast(Activation, settings["activation"])))
