"""Policies that do not look at the patient: what every learned policy has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..contracts import Decisions, Progress, silent
from .categorical import draw, log_prob_of, renormalised
from .records import LoggedData, most_frequent_action


@dataclass(frozen=True, eq=False)
class ConstantPolicy:
    """The same action shares for every patient; renormalised over what is allowed, uniform where none of it is."""

    kind: ClassVar[str] = "constant"
    share: Tensor  # (A,), sums to one

    def __post_init__(self) -> None:
        if self.share.dim() != 1 or (self.share < 0).any() or abs(float(self.share.sum()) - 1) > 1e-5:
            raise ValueError(f"expected shares (A,) >= 0 that sum to one, got {self.share}")

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return len(self.share)

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A)."""
        return renormalised(self.share.to(obs.device).expand(len(obs), -1), allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {"share": self.share}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> ConstantPolicy:
        """The policy that was saved."""
        return cls(weights["share"])


@dataclass(frozen=True)
class BaselineConfig:
    """All that a baseline needs to know."""

    actions: int  # A


def random_policy(actions: int) -> ConstantPolicy:
    """Every allowed action with the same probability."""
    return ConstantPolicy(torch.full((actions,), 1 / actions))


def fixed_policy(action: int, actions: int) -> ConstantPolicy:
    """Always `action`, one of 0..actions-1."""
    if not 0 <= action < actions:
        raise ValueError(f"expected an action in 0..{actions - 1}, got {action}")
    return ConstantPolicy(torch.nn.functional.one_hot(torch.tensor(action), actions).float())


def no_treatment(actions: int) -> ConstantPolicy:
    """Always action 0: the zero level of every drug."""
    return fixed_policy(0, actions)


def most_frequent(decisions: Decisions, actions: int) -> ConstantPolicy:
    """Always the action that was taken most often in `decisions`."""
    return fixed_policy(most_frequent_action(decisions, actions), actions)


def fit_random(
    source: LoggedData, config: BaselineConfig, *, seed: int = 0, progress: Progress = silent
) -> ConstantPolicy:
    """`random_policy`, as an entry of AGENTS; nothing is learned."""
    return random_policy(config.actions)


def fit_no_treatment(
    source: LoggedData, config: BaselineConfig, *, seed: int = 0, progress: Progress = silent
) -> ConstantPolicy:
    """`no_treatment`, as an entry of AGENTS; nothing is learned."""
    return no_treatment(config.actions)


def fit_most_frequent(
    source: LoggedData, config: BaselineConfig, *, seed: int = 0, progress: Progress = silent
) -> ConstantPolicy:
    """`most_frequent` on the training decisions, as an entry of AGENTS."""
    return most_frequent(source.train, config.actions)
