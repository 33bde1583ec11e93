"""The policy of a value function: always the allowed action that promises most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .categorical import checked, log_prob_of
from .mlp import MLP, Activation


@dataclass(frozen=True, eq=False)
class GreedyPolicy:
    """The action of the highest value that a network gives; of equal ones the first.

    It never does anything else, so importance weights are zero wherever clinicians did otherwise: judge it by fitted
    Q evaluation, or in a blend.
    """

    kind: ClassVar[str] = "greedy"
    network: MLP  # O columns in, A values out
    noise_dim: ClassVar[int] = 1  # nothing is drawn; a column is read so that all policies are called alike

    @torch.no_grad()
    def values(self, obs: Tensor) -> Tensor:
        """Value (B, A) of every action."""
        return self.network(obs)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64; the noise (B, 1) changes nothing."""
        values = self.values(obs)
        return (values if allowed is None else values.masked_fill(~checked(allowed), -torch.inf)).argmax(1)

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A): 1 for the chosen action."""
        chosen = self.act(obs, allowed, obs)
        return torch.nn.functional.one_hot(chosen, self.network.outputs).to(obs.dtype)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,): 0 or -inf."""
        return log_prob_of(self.probs(obs, allowed), action)

    def to(self, device: torch.device | str) -> GreedyPolicy:
        """The same policy on `device`."""
        return GreedyPolicy(self.network.to(device))

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.network.activation}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return self.network.weights()

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> GreedyPolicy:
        """The policy that was saved; ValueError where the parts do not fit."""
        return cls(MLP.from_weights(weights, cast(Activation, settings["activation"])))
