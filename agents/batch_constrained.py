"""Batch-constrained Q-learning: the best of what clinicians are likely to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .categorical import checked, log_prob_of
from .dueling import double_target
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation
from .offline import Schedule, Told
from .records import LoggedData
from .replay import Replay, best_allowed, value_at
from .value_learning import ValueNetworks, learn_values


@dataclass(frozen=True)
class BatchConstrainedConfig:
    """Settings of discrete batch-constrained Q-learning."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    target_rate: float = 0.01
    discount: float = 1.0
    per_hours: float | None = None
    threshold: float = 0.3  # an action is likely where its probability is this share of the likeliest one's
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class SupportedPolicy:
    """The highest value among the allowed actions that clinicians are likely to take."""

    kind: ClassVar[str] = "supported"
    values: MLP  # O columns in, A out
    habits: MLP  # logits of what clinicians do
    threshold: float
    noise_dim: ClassVar[int] = 1  # nothing is drawn

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64; the noise (B, 1) changes nothing."""
        allowed = None if allowed is None else checked(allowed)
        return best_allowed(self.values(obs), likely(self.habits(obs), allowed, self.threshold))

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A): 1 for the chosen action."""
        chosen = self.act(obs, allowed, obs)
        return nn.functional.one_hot(chosen, self.values.outputs).to(obs.dtype)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,): 0 or -inf."""
        return log_prob_of(self.probs(obs, allowed), action)

    def to(self, device: torch.device | str) -> SupportedPolicy:
        """The same policy on `device`."""
        return SupportedPolicy(self.values.to(device), self.habits.to(device), self.threshold)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"activation": self.values.activation, "threshold": self.threshold}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {**self.values.weights("values."), **self.habits.weights("habits.")}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> SupportedPolicy:
        """The policy that was saved; ValueError where the parts do not fit."""
        activation = cast(Activation, settings["activation"])
        values, habits = (MLP.from_weights(weights, activation, part) for part in ("values.", "habits."))
        return cls(values, habits, float(cast(float, settings["threshold"])))


@torch.no_grad()
def likely(logits: Tensor, allowed: Tensor | None, threshold: float) -> Tensor:
    """The allowed actions (B, A) bool with at least `threshold` times the probability of the likeliest of them."""
    within = logits if allowed is None else logits.masked_fill(~allowed, -torch.inf)
    share = (within - within.max(1, keepdim=True).values).exp()
    return share >= threshold if allowed is None else (share >= threshold) & allowed


def fit_batch_constrained(
    source: LoggedData,
    config: BatchConstrainedConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> SupportedPolicy:
    """Double Q-learning over likely actions alone (Fujimoto et al. 2019, arXiv 1910.01708, eqs. 5 and 6).

    Values and habits have networks of their own and are learned together. Stops by the loss of the values plus the
    likelihood of what was done, on tuning patients. ValueError unless the threshold is within 0..1.
    """
    if not 0 <= config.threshold <= 1:
        raise ValueError(f"threshold: expected a share within 0..1, got {config.threshold}")

    def loss(networks: ValueNetworks, batch: Replay) -> Tensor:
        with torch.no_grad():
            usual = likely(networks.habits(batch.next_obs), batch.next_allowed, config.threshold)
        target = double_target(networks.values, networks.slow, batch, usual)
        error = nn.functional.mse_loss(value_at(networks.values(batch.obs), batch.action), target)
        return error + nn.functional.cross_entropy(networks.habits(batch.obs), batch.action)

    told = Told(progress, "learning values within what clinicians do", log)
    found = learn_values(source, config, loss, seed=seed, told=told, checkpoint=checkpoint, habits=True)
    return SupportedPolicy(found.values.folded(), MLP.of(found.habits, config.activation), config.threshold)
