"""The linear patient: ridge regression of every value's change, logistic measurements, log-linear hazards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Progress, Trajectories, silent
from .learned_affine import Affine
from .learned_heads import (
    LOG_RATE,
    Examples,
    examples,
    measuring_loss,
    negative_log_likelihood,
    outcome_loss,
    outputs,
)
from .learned_setting import Setting
from .persistence import constant_outputs


@dataclass(frozen=True)
class LinearConfig:
    """How the linear patient is fitted."""

    ridges: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)  # penalties on squared coefficients, intercepts free
    iterations: int = 40  # of L-BFGS, for measurements and hazards


def fit_linear(
    train: Trajectories,
    tuning: Trajectories | None = None,
    config: LinearConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Affine:
    """The linear patient of the training stays, under the penalty that predicts the tuning stays best.

    Without tuning stays the smallest penalty is taken. `seed` is there for the common signature: nothing is drawn.
    ValueError where the training stays hold no decision.
    """
    config = config or LinearConfig()
    setting = Setting.of(train)
    target = examples(setting.layout, train)
    stop = examples(setting.layout, tuning) if tuning is not None and bool(tuning.mask.any()) else None
    ridge, weight = best_affine(target, stop, config, progress=progress)
    progress(1.0, f"linear patient fitted with a penalty of {ridge:g}")
    return Affine("linear", setting, weight)


def best_affine(
    target: Examples, tuning: Examples | None, config: LinearConfig, *, progress: Progress = silent
) -> tuple[float, Tensor]:
    """The penalty with the smallest loss on the tuning examples, and the weights (I + 1, P) fitted under it."""
    best: tuple[float, float, Tensor] | None = None
    for done, ridge in enumerate(config.ridges if tuning is not None else config.ridges[:1]):
        weight = fit_affine(target, ridge, iterations=config.iterations)
        loss = 0.0
        if tuning is not None:
            loss = float(negative_log_likelihood(tuning.inputs @ weight[:-1] + weight[-1], tuning).sum())
        if best is None or loss < best[0]:
            best = (loss, ridge, weight)
        progress((done + 1) / (len(config.ridges) + 1), f"linear patient, penalty {ridge:g}")
    if best is None:
        raise ValueError("ridges: expected at least one penalty, got none")
    return best[1:]


def fit_affine(target: Examples, ridge: float, each: Tensor | None = None, *, iterations: int = 40) -> Tensor:
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
        weight[:, d], weight[-1, features + d] = _ridge(inputs, change[:, d], stay * seen[:, d], ridge)
    weight[:, 3 * features :] = _descend(weight[:, 3 * features :], happens, (target, each), (ridge, iterations))
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


def _descend(start: Tensor, happens: Tensor, data: tuple[Examples, Tensor], plan: tuple[float, int]) -> Tensor:
    """Weights (I + 1, D + 2) of measurements and hazards that maximise the likelihood under a (penalty, steps) `plan`.

    The hazard of an outcome that never `happens` (2,) stays what it is at `start`. The descent runs in whitened
    inputs, where it takes a tenth of the steps.
    """
    (target, each), (ridge, iterations) = data, plan
    target, each = target.rows(each > 0), each[each > 0]
    features = start.shape[1] - len(happens)
    free = torch.cat([torch.ones(features, dtype=torch.bool), happens])
    inputs = torch.cat([target.inputs, torch.ones(*target.mask.shape, 1)], 2)
    white = _whitening(inputs[target.mask])
    inputs = inputs @ white
    moved = torch.zeros_like(start).requires_grad_()
    optimiser = torch.optim.LBFGS([moved], max_iter=iterations, line_search_fn="strong_wolfe")

    def weights() -> Tensor:
        return start + white @ moved * free

    def loss() -> Tensor:
        optimiser.zero_grad()
        raw = inputs @ (moved * free) + start[-1]
        log_rate = raw[..., features:].clamp(*LOG_RATE)
        nats = ((measuring_loss(raw[..., :features], target) + outcome_loss(log_rate, target)) * each).sum()
        nats = (nats + 0.5 * ridge * weights()[:-1].square().sum()) / each.sum()
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
