"""Implicit Q-learning: values of what was done well, without ever asking for an action that was not done."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .dueling import DuelingNetwork, follow
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation, sequential
from .network import NetworkPolicy
from .offline import Part, Schedule, Told, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replays, value_at

_HEAVIEST = 20.0  # of the weights of decisions, as in the paper's code


@dataclass(frozen=True)
class ImplicitQConfig:
    """Settings of implicit Q-learning."""

    actions: int  # A
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    target_rate: float = 0.01
    discount: float = 1.0
    per_hours: float | None = None
    expectile: float = 0.7  # of the outcomes of what was done: .5 is their mean, towards 1 their best
    sharpness: float = 10.0  # how much more a decision counts by its advantage
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class _Networks:
    """What is learned: values of actions, of states, and the policy; `slow` follows the first."""

    values: DuelingNetwork
    slow: DuelingNetwork
    worth: nn.Sequential
    policy: nn.Sequential

    @classmethod
    def made(cls, width: int, config: ImplicitQConfig) -> _Networks:
        values = DuelingNetwork(width, config.actions, config.hidden, config.activation)
        worth = sequential((width, *config.hidden, 1), config.activation)
        policy = sequential((width, *config.hidden, config.actions), config.activation)
        return cls(values, copy.deepcopy(values), worth, policy)

    def learned(self) -> list[nn.Parameter]:
        """The weights that learn; those of `slow` follow."""
        return [weight for part in (self.values, self.worth, self.policy) for weight in part.parameters()]

    def value_loss(self, batch: Replay, expectile: float) -> tuple[Tensor, Tensor]:
        """Loss of both kinds of values, and the advantage (B,) of what was done."""
        with torch.no_grad():
            target = batch.bounded(batch.reward + batch.onward * self.worth(batch.next_obs)[:, 0])
            outcome = value_at(self.slow(batch.obs), batch.action)
        advantage = outcome - self.worth(batch.obs)[:, 0]
        error = nn.functional.mse_loss(value_at(self.values(batch.obs), batch.action), target)
        return error + expectile_loss(advantage, expectile), advantage.detach()

    def imitation(self, batch: Replay, advantage: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
        """How much each decision counts (B,), and how unlikely the policy finds it (B,)."""
        weight = (sharpness * advantage).exp().clamp_max(_HEAVIEST)
        logits = self.policy(batch.obs)
        if batch.allowed is not None:  # a decision against the mask teaches values, and no policy
            weight = weight * value_at(batch.allowed, batch.action)
            logits = logits.masked_fill(~batch.allowed.scatter(1, batch.action[:, None], True), -torch.inf)
        return weight, nn.functional.cross_entropy(logits, batch.action, reduction="none")


def fit_implicit_q(
    source: LoggedData,
    config: ImplicitQConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> NetworkPolicy:
    """Clinicians imitated by advantage over expectiles of outcomes (Kostrikov et al. 2022, arXiv 2110.06169, eqs. 5-7).

    Stops by the loss of the values on tuning patients plus the mean unlikeliness of what was done to them, weighted
    as in learning: on small data the policy otherwise learns by heart whom it weighs most.
    """
    train, tuning = replays(source, discount=config.discount, per_hours=config.per_hours)
    with seeded(seed):
        networks = _Networks.made(train.obs.shape[1], config)
    optimiser = torch.optim.AdamW(networks.learned(), config.learning_rate, weight_decay=config.weight_decay)
    parts: dict[str, Part] = {f.name: getattr(networks, f.name) for f in dataclasses.fields(networks)}
    parts["optimiser"] = optimiser

    def update(rows: Tensor) -> None:
        batch = train.pick(rows)
        loss, advantage = networks.value_loss(batch, config.expectile)
        weight, unlikely = networks.imitation(batch, advantage, config.sharpness)
        optimiser.zero_grad(set_to_none=True)
        (loss + (weight * unlikely).mean()).backward()
        optimiser.step()
        follow(networks.slow, networks.values, config.target_rate)

    def criterion() -> float:
        loss, advantage = networks.value_loss(tuning, config.expectile)
        weight, unlikely = networks.imitation(tuning, advantage, config.sharpness)
        return float(loss + (weight * unlikely).sum() / weight.sum().clamp_min(1e-9))

    told, schedule = Told(progress, "learning from what was done well", log), config.schedule
    learn_until(
        update, criterion, parts, rows=len(train), schedule=schedule, seed=seed, told=told, checkpoint=checkpoint
    )
    return NetworkPolicy(MLP.of(networks.policy, config.activation))


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """Squared errors (B,), those above zero counted by `expectile`, the others by the rest (eq. 5), on average."""
    return (torch.where(error > 0, expectile, 1 - expectile) * error.square()).mean()
