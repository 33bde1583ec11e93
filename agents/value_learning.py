"""How agents learn values of discrete actions from records: networks, targets that follow slowly, early stopping."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..trajectories.checkpoint import Checkpoint
from .dueling import DuelingNetwork, follow
from .mlp import Activation, sequential
from .offline import Part, Schedule, Told, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replays


class ValueSettings(Protocol):
    """What the settings of every such agent hold."""

    @property
    def actions(self) -> int: ...
    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> Activation: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def target_rate(self) -> float: ...  # of the slow network, per update
    @property
    def discount(self) -> float: ...  # per decision
    @property
    def per_hours(self) -> float | None: ...  # or per so many hours
    @property
    def schedule(self) -> Schedule: ...


@dataclass(frozen=True, eq=False)
class ValueNetworks:
    """Values of actions, the slow copy that targets are read from, and beside them what clinicians usually do."""

    values: DuelingNetwork
    slow: DuelingNetwork
    habits: nn.Sequential

    @classmethod
    def made(cls, width: int, settings: ValueSettings) -> ValueNetworks:
        """Fresh networks on observations of `width` columns."""
        values = DuelingNetwork(width, settings.actions, settings.hidden, settings.activation)
        habits = sequential((width, *settings.hidden, settings.actions), settings.activation)
        return cls(values, copy.deepcopy(values), habits)


def learn_values(
    source: LoggedData,
    settings: ValueSettings,
    loss: Callable[[ValueNetworks, Replay], Tensor],
    *,
    seed: int,
    told: Told,
    checkpoint: Checkpoint,
    habits: bool = False,
) -> ValueNetworks:
    """Networks of the least `loss` on training transitions, stopped by the same loss on tuning patients.

    With `habits` those learn as well. Where a checkpoint stands, the work goes on from it bit by bit.
    """
    train, tuning = replays(source, discount=settings.discount, per_hours=settings.per_hours)
    with seeded(seed):
        networks = ValueNetworks.made(train.obs.shape[1], settings)
    learned = [networks.values, networks.habits] if habits else [networks.values]
    weights = [weight for network in learned for weight in network.parameters()]
    optimiser = torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)
    parts: dict[str, Part] = {"network": networks.values, "slow": networks.slow, "optimiser": optimiser}
    if habits:
        parts["habits"] = networks.habits

    def update(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(networks, train.pick(rows)).backward()
        optimiser.step()
        follow(networks.slow, networks.values, settings.target_rate)

    def criterion() -> float:
        return float(loss(networks, tuning))

    schedule = settings.schedule
    learn_until(
        update, criterion, parts, rows=len(train), schedule=schedule, seed=seed, told=told, checkpoint=checkpoint
    )
    return networks
