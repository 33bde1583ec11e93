"""A small network as critic: the value of a target policy by repeated regression in big minibatches."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .critics import CriticConfig, Fit, Scale, bellman_error
from .transitions import Transitions

_UPDATES = 16  # at least, a round
_PASSES = 3  # over the data, towards the observed returns, before the first round
_ROWS = 1024  # judged at once: their activations stay in cache


@dataclass(frozen=True)
class NetworkCritic:
    """Coefficients by a network of scaled observations."""

    scale: Scale
    network: nn.Sequential  # O columns in, A out, in standard deviations of the return
    offset: Tensor  # (A,) mean return, on every discrete action or on the constant of a dose basis

    @torch.no_grad()
    def __call__(self, obs: Tensor) -> Tensor:
        """Coefficients (M, A) float64."""
        found = torch.cat([self.network(self.scale.inputs(some).float()) for some in obs.split(_ROWS)])
        return found.double().mul_(self.scale.unit).add_(self.offset)


def fit_network(train: Transitions, tuning: Transitions, config: CriticConfig, length: int, seed: int) -> Fit:
    """Fitted Q iteration on frozen targets, which are computed for all decisions at once before each round.

    Starts from the observed returns, the value of the behaviour policy; takes at least as many rounds as a stay has
    decisions, then stops when the held-out Bellman error no longer falls. What is kept is the running mean of the
    weights over rounds from there on, at its best. Le, Voloshin & Yue (2019), algorithm 3.
    """
    scale = Scale.of(train, length)
    random = torch.Generator().manual_seed(seed)
    learner = _Learner(train, scale, config, random)
    for _ in range(_PASSES):
        learner.pass_over(train.returns(length), 0)
    best, best_error, best_round = learner.averaged(), float("inf"), 0
    for done in range(1, max(config.rounds, length) + 1):
        learner.pass_over(train.targets(learner.values()), max(0, done - length))
        current = learner.averaged()
        error = bellman_error(current, tuning) if done >= length else float("inf")
        if error < best_error:
            best, best_error, best_round = copy.deepcopy(current), error, done
        if done - max(best_round, length) >= config.patience:
            break
    return Fit(best, best_error, best_round)


class _Learner:
    """A network, its running mean, and the data in the form that regression reads."""

    def __init__(self, data: Transitions, scale: Scale, config: CriticConfig, random: torch.Generator) -> None:
        self._data, self._scale, self._config, self._random = data, scale, config, random
        self._inputs = torch.cat([scale.inputs(some).float() for some in data.obs.split(_ROWS)])
        self._taken, self._wanted = data.taken.float(), data.wanted.float()
        self._action = data.taken.argmax(1, keepdim=True)  # of a discrete action: picked, not multiplied out
        sizes = (data.obs.shape[1], *config.hidden, data.taken.shape[1])
        self._network = _network(sizes, random)
        self._mean = copy.deepcopy(self._network)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self._batch = max(1, min(config.batch_size, len(data) // _UPDATES))

    @torch.no_grad()
    def values(self) -> Tensor:
        """Value (M,) float64 of each state under the present weights: their running mean would lag behind."""
        blocks = zip(self._inputs.split(_ROWS), self._wanted.split(_ROWS), strict=True)
        found = torch.cat([(self._network(some) * wanted).sum(1) for some, wanted in blocks])
        return found.double() * self._scale.unit + self._scale.mean

    def averaged(self) -> NetworkCritic:
        """The critic with the running mean of the weights."""
        columns = torch.arange(self._taken.shape[1])
        offset = torch.where(columns == 0, 1.0, float(self._data.discrete)).double() * self._scale.mean
        return NetworkCritic(self._scale, self._mean, offset)

    def pass_over(self, target: Tensor, averaged: int) -> None:
        """One pass of regression on targets (M,), in units of reward; the mean holds `averaged` earlier passes."""
        goal = ((target - self._scale.mean) / self._scale.unit).float()
        for rows in torch.randperm(len(goal), generator=self._random).split(self._batch):
            found = self._of_taken(self._network(self._inputs.index_select(0, rows)), rows)
            loss = nn.functional.mse_loss(found, goal[rows])
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        keep = min(self._config.averaging, averaged / (averaged + 1))
        with torch.no_grad():
            for mean, new in zip(self._mean.parameters(), self._network.parameters(), strict=True):
                mean.lerp_(new, 1 - keep)

    def _of_taken(self, found: Tensor, rows: Tensor) -> Tensor:
        """Value (B,) of the logged action from coefficients (B, A)."""
        if self._data.discrete:
            return found.gather(1, self._action[rows])[:, 0]
        return (found * self._taken[rows]).sum(1)


def _network(sizes: tuple[int, ...], random: torch.Generator) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=random)))
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
