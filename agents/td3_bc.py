"""TD3 with behaviour cloning: continuous doses that raise the value while staying near what clinicians gave."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contracts import Progress, silent
from ..trajectories.checkpoint import NOWHERE, Checkpoint
from .dueling import follow
from .gaussian import GaussianPolicy
from .logbook import Logbook, unwritten
from .mlp import MLP, Activation, sequential
from .offline import Draws, Part, Schedule, Told, learn_until, seeded
from .records import LoggedData
from .replay import Replay, replays


@dataclass(frozen=True)
class TD3BCConfig:
    """Settings of TD3+BC."""

    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    target_rate: float = 0.01
    discount: float = 1.0
    per_hours: float | None = None
    greed: float = 2.5  # weight of the value, in units of its mean size, against the squared distance from the record
    smoothing: float = 0.2  # SD of the noise on the next dose, in shares of half the range
    spread: float = 0.05  # SD of the final policy before squashing
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class _Networks:
    """What is learned: the doses and two critics of them; the slow ones follow."""

    actor: nn.Sequential
    critics: nn.ModuleList
    slow_actor: nn.Sequential
    slow_critics: nn.ModuleList

    @classmethod
    def made(cls, width: int, drugs: int, config: TD3BCConfig) -> _Networks:
        actor = sequential((width, *config.hidden, drugs), config.activation)
        shape = (width + drugs, *config.hidden, 1)
        critics = nn.ModuleList(sequential(shape, config.activation) for _ in range(2))
        return cls(actor, critics, copy.deepcopy(actor), copy.deepcopy(critics))

    def critic_loss(self, batch: Replay, noise: Tensor) -> Tensor:
        """Of both critics, against the smaller slow value of the next dose with noise (B, U)."""
        with torch.no_grad():
            ahead = (torch.tanh(self.slow_actor(batch.next_obs)) + noise).clamp(-1, 1)
            least = torch.stack([_value(c, batch.next_obs, ahead) for c in self.slow_critics]).min(0).values
            target = batch.bounded(batch.reward + batch.onward * least)
        errors = [nn.functional.mse_loss(_value(c, batch.obs, batch.action), target) for c in self.critics]
        return torch.stack(errors).sum()

    def actor_loss(self, batch: Replay, greed: float) -> Tensor:
        """Squared distance from what was given, minus the value in units of its mean size."""
        dose = torch.tanh(self.actor(batch.obs))
        value = _frozen_value(self.critics[0], batch.obs, dose)
        weight = greed / value.abs().mean().detach().clamp_min(1e-6)
        return nn.functional.mse_loss(dose, batch.action) - weight * value.mean()

    def follow(self, rate: float) -> None:
        """Move the slow networks towards the others."""
        follow(self.slow_actor, self.actor, rate)
        follow(self.slow_critics, self.critics, rate)

    def criterion(self, tuning: Replay) -> float:
        """The critics' loss without noise plus the policy's distance from what was given."""
        near = nn.functional.mse_loss(torch.tanh(self.actor(tuning.obs)), tuning.action)
        return float(self.critic_loss(tuning, torch.zeros_like(tuning.action)) + near)


def fit_td3_bc(
    source: LoggedData,
    config: TD3BCConfig,
    *,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Checkpoint = NOWHERE,
    log: Logbook = unwritten,
) -> GaussianPolicy:
    """A policy on doses (B, U) in -1..1 (Fujimoto & Gu 2021, arXiv 2106.06860, eq. 3), around which little is drawn.

    Two critics, the smaller of which is believed, and noise on the next dose, as in TD3 (Fujimoto et al. 2018). Stops
    by the critics' loss on tuning patients plus the policy's distance from the doses given to them. ValueError for
    records of discrete actions.
    """
    train, tuning = replays(source, discount=config.discount, per_hours=config.per_hours)
    if train.action.dim() != 2:
        raise ValueError("expected continuous doses (N, T, U), got discrete actions: use action='continuous'")
    drugs = train.action.shape[1]
    with seeded(seed):
        networks = _Networks.made(train.obs.shape[1], drugs, config)
    draws, weights = Draws(seed), [*networks.actor.parameters(), *networks.critics.parameters()]
    optimiser = torch.optim.AdamW(weights, config.learning_rate, weight_decay=config.weight_decay)

    def update(rows: Tensor) -> None:
        batch = train.pick(rows)
        noise = (draws(*batch.action.shape) * config.smoothing).clamp(-0.5, 0.5)
        optimiser.zero_grad(set_to_none=True)
        (networks.critic_loss(batch, noise) + networks.actor_loss(batch, config.greed)).backward()
        optimiser.step()
        networks.follow(config.target_rate)

    criterion = functools.partial(networks.criterion, tuning)
    parts: dict[str, Part] = {f.name: getattr(networks, f.name) for f in dataclasses.fields(networks)}
    parts |= {"optimiser": optimiser, "draws": draws}
    told, schedule = Told(progress, "learning doses near what clinicians gave", log), config.schedule
    learn_until(
        update, criterion, parts, rows=len(train), schedule=schedule, seed=seed, told=told, checkpoint=checkpoint
    )
    return GaussianPolicy(MLP.of(networks.actor, config.activation), torch.full((drugs,), math.log(config.spread)))


def _value(critic: nn.Module, obs: Tensor, dose: Tensor) -> Tensor:
    """Value (B,) of doses (B, U)."""
    value: Tensor = critic(torch.cat([obs, dose], 1))[:, 0]
    return value


def _frozen_value(critic: nn.Module, obs: Tensor, dose: Tensor) -> Tensor:
    """The same through a critic that does not learn from it."""
    frozen = {name: weight.detach() for name, weight in critic.named_parameters()}
    value: Tensor = torch.func.functional_call(critic, frozen, (torch.cat([obs, dose], 1),))[:, 0]
    return value
