"""The linear patient: ridge regression of every value's change, logistic measurements, log-linear hazards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Progress, Trajectories, silent
from .learned_affine import Affine
from .learned_heads import LOG_RATE, Examples, examples, measuring_loss, outcome_loss, outputs
from .learned_setting import Setting
from .persistence import constant_outputs


@dataclass(frozen=True)
class LinearConfig:
    """How the linear patient is fitted."""

    ridge: float = 1.0  # penalty on squared coefficients, in units of one observation; the intercept is free
    iterations: int = 40  # of L-BFGS, for measurements and hazards


def fit_linear(
    train: Trajectories,
    tuning: Trajectories | None = None,
    config: LinearConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Affine:
    """The linear patient of the training stays.

    `tuning` and `seed` are there for the common signature: nothing is chosen, nothing drawn. ValueError where the
    training stays hold no decision.
    """
    setting = Setting.of(train)
    weight = fit_affine(examples(setting.layout, train), config or LinearConfig())
    progress(1.0, "linear patient fitted")
    return Affine("linear", setting, weight)


def fit_affine(target: Examples, config: LinearConfig, each: Tensor | None = None) -> Tensor:
    """Weights (I + 1, P) of the raw outputs, stays counting by `each` (N,); SDs are constant."""
    each = torch.ones(len(target.mask)) if each is None else each
    features = target.change.shape[-1]
    weight = torch.zeros(target.inputs.shape[-1] + 1, outputs(features))
    weight[-1] = constant_outputs(target, each)
    happens = target.event.flatten(0, 1)[target.mask.flatten()].any(0)
    counted = (target.mask & (each > 0)[:, None]).flatten()
    stay = each[:, None].expand_as(target.mask).flatten()[counted]
    inputs = target.inputs.flatten(0, 1)[counted]
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    change, seen = (value.flatten(0, 1)[counted] for value in (target.change, target.seen))
    for d in range(features):
        weight[:, d], weight[-1, features + d] = _ridge(inputs, change[:, d], stay * seen[:, d], config.ridge)
    weight[:, 3 * features :] = _descend(weight[:, 3 * features :], happens, (target, each), config)
    return weight


def _ridge(inputs: Tensor, change: Tensor, each: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Coefficients (I + 1,) and the logarithm of the residual SD, from rows that count by `each` (R,)."""
    x, y = inputs.double(), torch.where(each > 0, change, 0.0).double()
    weighted = x * each[:, None]
    penalties = torch.full((x.shape[1],), penalty, dtype=torch.float64)
    penalties[-1] = 1e-6
    found = torch.linalg.solve(weighted.t() @ x + torch.diag(penalties), weighted.t() @ y)
    square = (each * (y - x @ found).square()).sum()
    return found.float(), (0.5 * torch.log((square + 0.01) / (each.sum() + 1))).float()


def _descend(start: Tensor, happens: Tensor, data: tuple[Examples, Tensor], config: LinearConfig) -> Tensor:
    """Weights (I + 1, D + 2) of measurements and hazards that maximise the penalised likelihood.

    The hazard of an outcome that never `happens` (2,) stays what it is at `start`. The descent runs in whitened
    inputs, where it takes a tenth of the steps.
    """
    target, each = data
    target, each = target.rows(each > 0), each[each > 0]
    features = start.shape[1] - len(happens)
    free = torch.cat([torch.ones(features, dtype=torch.bool), happens])
    inputs = torch.cat([target.inputs, torch.ones(*target.mask.shape, 1)], 2)
    white = _whitening(inputs[target.mask])
    inputs = inputs @ white
    moved = torch.zeros_like(start).requires_grad_()
    optimiser = torch.optim.LBFGS([moved], max_iter=config.iterations, line_search_fn="strong_wolfe")

    def weights() -> Tensor:
        return start + white @ moved * free

    def loss() -> Tensor:
        optimiser.zero_grad()
        raw = inputs @ (moved * free) + start[-1]
        log_rate = raw[..., features:].clamp(*LOG_RATE)
        nats = ((measuring_loss(raw[..., :features], target) + outcome_loss(log_rate, target)) * each).sum()
        nats = (nats + 0.5 * config.ridge * weights()[:-1].square().sum()) / each.sum()
        nats.backward()
        return nats

    optimiser.step(loss)
    return weights().detach()


def _whitening(inputs: Tensor) -> Tensor:
    """A matrix (I + 1, I + 1) that makes the columns of inputs (R, I + 1) nearly uncorrelated, of size 1."""
    x = inputs.double()
    value, vector = torch.linalg.eigh(x.t() @ x / len(x))
    white: Tensor = vector / value.clamp_min(1e-4).sqrt()
    return white.float()
