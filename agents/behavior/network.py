"""One network of the fitted clinician: maximal likelihood, averaged weights, early stopping, checkpoints."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...contracts import Progress
from ...trajectories.checkpoint import Checkpoint
from ..logbook import Logbook
from ..mlp import MLP, Activation, sequential

ACTIVATION: Activation = "tanh"  # doses are smooth functions of what is seen
Pairs = tuple[Tensor, Tensor]  # observations (M, O), actions (M,) int64


class NetworkSettings(Protocol):
    """What the settings hold for a network."""

    @property
    def kind(self) -> str: ...
    @property
    def actions(self) -> int: ...
    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def epochs(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def averaging(self) -> float: ...


@dataclass(frozen=True)
class Aids:
    """Who hears of the fitting, and where it is kept."""

    progress: Progress
    checkpoint: Checkpoint
    log: Logbook

    def of_member(self, k: int, members: int) -> Aids:
        """The aids of one of several networks."""

        def progress(done: float, message: str) -> None:
            self.progress((k + done) / members, message)

        def log(tag: str, scalar_value: float, global_step: int) -> None:
            self.log(f"{tag}_member_{k}", scalar_value, global_step)

        return replace(self, progress=progress, checkpoint=self.checkpoint.part(f"member_{k}"), log=log)


@dataclass
class _Fitting:
    """All that changes while a network is fitted, and what a checkpoint keeps."""

    module: nn.Sequential
    averaged: nn.Sequential
    optimizer: torch.optim.AdamW
    kept: dict[str, Any]  # state of the averaged weights at the best epoch
    best: float = float("inf")
    waited: int = 0
    updates: int = 0
    epoch: int = 0


def fit_network(train: Pairs, tuning: Pairs, config: NetworkSettings, aids: Aids) -> MLP:
    """The averaged weights of the epoch with the best tuning likelihood, drawn with torch's global generator."""
    now = _begin(train[0], config)
    _resume(now, aids.checkpoint)
    while now.epoch < config.epochs and now.waited < config.patience:
        _epoch(now, train, config)
        candidate = MLP.of(now.averaged, ACTIVATION)
        loss = float(nn.functional.cross_entropy(candidate(tuning[0]), tuning[1]))
        now.waited = 0 if loss < now.best else now.waited + 1
        if loss < now.best:
            now.best, now.kept = loss, copy.deepcopy(now.averaged.state_dict())
        now.epoch += 1
        aids.progress(now.epoch / config.epochs, "fitting the clinician")
        aids.log("tuning/cross_entropy", loss, now.updates)
        _save(now, aids.checkpoint)
    _save(now, aids.checkpoint, last=True)  # the next network need not wait for this one again
    aids.progress(1.0, "fitting the clinician")
    now.averaged.load_state_dict(now.kept)
    return MLP.of(now.averaged, ACTIVATION)


def _begin(obs: Tensor, config: NetworkSettings) -> _Fitting:
    hidden = config.hidden if config.kind == "network" else ()
    module = sequential((obs.shape[1], *hidden, config.actions), ACTIVATION).to(obs.device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return _Fitting(module, copy.deepcopy(module), optimizer, copy.deepcopy(module.state_dict()))


def _epoch(now: _Fitting, train: Pairs, config: NetworkSettings) -> None:
    """One pass over the decisions in random order."""
    obs, action = train
    for rows in torch.split(torch.randperm(len(obs)).to(obs.device), _batch_size(len(obs), config.batch_size)):
        now.optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(now.module(obs[rows]), action[rows]).backward()
        now.optimizer.step()
        now.updates += 1
        _average(now.averaged, now.module, min(config.averaging, now.updates / (now.updates + 10)))


def _save(now: _Fitting, checkpoint: Checkpoint, *, last: bool = False) -> None:
    checkpoint.save(
        last=last,
        module=now.module.state_dict(),
        averaged=now.averaged.state_dict(),
        optimizer=now.optimizer.state_dict(),
        numbers=[now.best, now.waited, now.updates, now.epoch],
        kept=now.kept,
        generator=torch.get_rng_state(),
    )


def _resume(now: _Fitting, checkpoint: Checkpoint) -> None:
    found = checkpoint.load()
    if found is None:
        return
    now.module.load_state_dict(found["module"])
    now.averaged.load_state_dict(found["averaged"])
    now.optimizer.load_state_dict(found["optimizer"])
    now.best, now.waited, now.updates, now.epoch = found["numbers"]
    now.kept = found["kept"]
    torch.set_rng_state(found["generator"])


def _batch_size(decisions: int, most: int) -> int:
    return max(16, min(most, decisions // 20))


@torch.no_grad()
def _average(averaged: nn.Module, module: nn.Module, decay: float) -> None:
    """Running mean of the weights along the path (Polyak & Juditsky 1992): lower and better calibrated loss."""
    for mean, weight in zip(averaged.parameters(), module.parameters(), strict=True):
        mean.lerp_(weight, 1 - decay)
