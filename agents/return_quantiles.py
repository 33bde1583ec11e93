"""How bad a stay may become after each dose: the distribution of what is still to be earned, learned from records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..contracts import Decisions, Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation, sequential
from .offline import Schedule, Told, learn_until, seeded
from .records import LoggedData, flatten
from .replay import returns_to_go


@dataclass(frozen=True)
class ReturnQuantilesConfig:
    """Settings of the distribution."""

    actions: int  # A
    quantiles: int = 20  # K, at the middles of K equal shares
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    discount: float = 1.0
    per_hours: float | None = None  # None: the discount is per decision
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class ReturnQuantiles:
    """Quantiles of the return from a decision on, for each action, where clinicians go on as they do."""

    network: MLP  # O columns in, A x K out
    actions: int

    @torch.no_grad()
    def quantiles(self, obs: Tensor) -> Tensor:
        """Quantiles (B, A, K), rising, at (k + 1/2) / K."""
        return self.network(obs).reshape(len(obs), self.actions, -1).sort(2).values

    def tail_mean(self, obs: Tensor, share: float) -> Tensor:
        """Conditional value at risk (B, A): the mean return of the worst `share` of cases, within 0..1."""
        if not 0 < share <= 1:
            raise ValueError(f"share: expected a number within 0..1, got {share}")
        found = self.quantiles(obs)
        count = found.shape[2]
        weight = (share * count - torch.arange(count, device=found.device)).clamp(0, 1)
        return (found * weight).sum(2) / weight.sum()


def fit_return_quantiles(
    source: LoggedData,
    config: ReturnQuantilesConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> ReturnQuantiles:
    """The distribution of logged returns from every decision on, by quantile regression (Koenker & Bassett 1978).

    Nothing is bootstrapped, so it speaks of one dose and then clinicians' own care. Stops by the same loss on tuning
    patients. ValueError where no decision was made.
    """
    data = [flatten(part, config.actions) for part in (source.train, source.tuning)]
    returns = [_returns(part, config) for part in (source.train, source.tuning)]
    width = data[0][0].shape[1]
    with seeded(seed):
        network = sequential((width, *config.hidden, config.actions * config.quantiles), config.activation)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    level = (torch.arange(config.quantiles) + 0.5) / config.quantiles

    def loss(obs: Tensor, action: Tensor, target: Tensor) -> Tensor:
        every = network(obs).reshape(len(obs), config.actions, config.quantiles)
        error = target[:, None] - every[torch.arange(len(obs)), action]
        return torch.maximum(level * error, (level - 1) * error).mean()

    def update(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(data[0][0][rows], data[0][1][rows], returns[0][rows]).backward()
        optimiser.step()

    learn_until(
        update,
        lambda: float(loss(*data[1], returns[1])),
        {"network": network, "optimiser": optimiser},
        rows=len(returns[0]),
        schedule=config.schedule,
        seed=seed,
        told=Told(progress, "learning how returns are spread", log),
        checkpoint=checkpoint,
    )
    return ReturnQuantiles(MLP.of(network, config.activation), config.actions)


def tail_loss(critic: ReturnQuantiles, share: float, best: float) -> Callable[[Tensor], Tensor]:
    """What the worst `share` of cases lose of the `best` return on average (B, A), from observations (B, O)."""

    def loss(obs: Tensor) -> Tensor:
        return best - critic.tail_mean(obs, share)

    return loss


def _returns(decisions: Decisions, config: ReturnQuantilesConfig) -> Tensor:
    hours = decisions.hours
    passing = torch.ones_like(hours) if config.per_hours is None else hours / config.per_hours
    return returns_to_go(decisions.reward, config.discount**passing, decisions.mask)
