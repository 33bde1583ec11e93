"""The value network that offline agents share: a state's worth plus the advantage of each action."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .mlp import MLP, Activation, sequential
from .replay import Replay, best_allowed, value_at


class DuelingNetwork(nn.Module):
    """Q(s, a) = V(s) + A(s, a) - mean over actions of A(s, .) (Wang et al. 2016, arXiv 1511.06581, eq. 9)."""

    def __init__(self, observation: int, actions: int, hidden: tuple[int, ...], activation: Activation) -> None:
        super().__init__()
        self.trunk = sequential((observation, *hidden), activation)
        self.act = nn.ReLU() if activation == "relu" else nn.Tanh()
        self.worth = nn.Linear(hidden[-1], 1)
        self.advantage = nn.Linear(hidden[-1], actions)
        self.activation: Activation = activation

    def forward(self, obs: Tensor) -> Tensor:
        """Values (B, A)."""
        features = self.act(self.trunk(obs))
        advantage = self.advantage(features)
        values: Tensor = self.worth(features) + advantage - advantage.mean(1, keepdim=True)
        return values

    @torch.no_grad()
    def folded(self) -> MLP:
        """The same function as a plain network: both heads are linear, so their sum is one layer."""
        weight = self.advantage.weight - self.advantage.weight.mean(0) + self.worth.weight
        bias = self.advantage.bias - self.advantage.bias.mean() + self.worth.bias
        trunk = MLP.of(self.trunk, self.activation)
        return MLP((*trunk.layers, (weight.clone(), bias.clone())), self.activation)


@torch.no_grad()
def follow(target: nn.Module, network: nn.Module, rate: float) -> None:
    """Move the weights of `target` a share `rate` towards those of `network` (Polyak averaging)."""
    for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, rate)


@torch.no_grad()
def double_target(network: nn.Module, slow: nn.Module, batch: Replay, likely: Tensor | None = None) -> Tensor:
    """What each transition should be worth (B,): r + Q_slow(s', argmax of Q(s', .)), within the logged returns.

    The argmax runs over the allowed actions, or over the `likely` ones (B, A) bool (van Hasselt et al. 2016, arXiv
    1509.06461, eq. 4).
    """
    chosen = best_allowed(network(batch.next_obs), batch.next_allowed if likely is None else likely)
    return batch.bounded(batch.reward + batch.onward * value_at(slow(batch.next_obs), chosen))
