"""The fitted clinician: calibrated probabilities of what was really done, the denominator of importance weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from .categorical import draw, log_prob_of
from .mlp import MLP, Activation


@dataclass(frozen=True, eq=False)
class BehaviorPolicy:
    """p(a | o) = (1 - share) * mean over members of softmax(logits / temperature) + share * base.

    `base` gives every action some probability, so no propensity degenerates. Masks are ignored: clinicians did take
    actions that a policy may not.
    """

    kind: ClassVar[str] = "behavior"
    networks: tuple[MLP, ...]  # each O columns in, A out
    base: Tensor  # (A,), positive, sums to one
    temperature: float
    share: float  # of `base`

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0 < self.share <= 1 or (self.base <= 0).any():
            raise ValueError(
                "expected temperature > 0, 0 < share <= 1 and a positive base, "
                f"got {self.temperature}, {self.share}, {self.base}"
            )

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return len(self.base)

    @torch.no_grad()
    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A), all positive; `allowed` is ignored."""
        members = torch.stack([torch.softmax(network(obs) / self.temperature, 1) for network in self.networks])
        return (1 - self.share) * members.mean(0) + self.share * self.base

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)

    def to(self, device: torch.device | str) -> BehaviorPolicy:
        """The same policy on `device`."""
        networks = tuple(network.to(device) for network in self.networks)
        return BehaviorPolicy(networks, self.base.to(device), self.temperature, self.share)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {
            "members": len(self.networks),
            "activation": self.networks[0].activation,
            "temperature": self.temperature,
            "share": self.share,
        }

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        named = {"base": self.base}
        for k, network in enumerate(self.networks):
            named |= network.weights(f"{k}.")
        return named

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> BehaviorPolicy:
        """The policy that was saved."""
        activation, members = cast(Activation, settings["activation"]), cast(int, settings["members"])
        networks = tuple(MLP.from_weights(weights, activation, f"{k}.") for k in range(members))
        return cls(networks, weights["base"], cast(float, settings["temperature"]), cast(float, settings["share"]))
