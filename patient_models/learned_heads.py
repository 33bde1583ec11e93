"""The distribution of what comes next, from one row of raw outputs, and its likelihood under the mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..contracts import DIED, DISCHARGED, Trajectories
from .learned_inputs import BOUND, InputLayout, states_of

NEVER = -30.0  # log rate per hour of an outcome that no training stay had
_LOG_SD = (-5.0, 1.5)  # bounds of the logarithm of a scaled SD
LOG_RATE = (NEVER, 1.0)  # bounds of the logarithm of a hazard per hour


class Forecast(NamedTuple):
    """What is expected after one step, in scaled units."""

    mean: Tensor  # (B, D) of each feature, should it be measured
    sd: Tensor  # (B, D)
    measured: Tensor  # (B, D) probability that it is
    risk: Tensor  # (B, 2) probability of discharge and of death during the step


class Raw(NamedTuple):
    """Raw outputs (..., P), named."""

    change: Tensor  # (..., D) of the scaled value since it was last known
    log_sd: Tensor  # (..., D) of what is each feature's own
    shared: Tensor  # (..., D) what one standard normal, the same for all features, adds: they err together
    logit: Tensor  # (..., D) of being measured
    log_rate: Tensor  # (..., 2) hazards of discharge and death per hour


def outputs(features: int) -> int:
    """P, the number of raw outputs."""
    return 4 * features + 2


def split_raw(raw: Tensor) -> Raw:
    """Raw outputs (..., P) within bounds that keep every likelihood finite."""
    features = (raw.shape[-1] - 2) // 4
    change, log_sd, shared, logit, log_rate = raw.split([features] * 4 + [2], -1)
    return Raw(change, log_sd.clamp(*_LOG_SD), shared.clamp(-BOUND, BOUND), logit, log_rate.clamp(*LOG_RATE))


def forecast(raw: Tensor, values: Tensor, hours: Tensor) -> Forecast:
    """The forecast of raw outputs (B, P) from the scaled last known values (B, D) over `hours` (B,)."""
    part = split_raw(raw)
    return Forecast(
        mean=(values + part.change).clamp(-BOUND, BOUND),
        sd=((2 * part.log_sd).exp() + part.shared.square()).sqrt(),
        measured=part.logit.sigmoid(),
        risk=risks(part.log_rate, hours),
    )


def risks(log_rate: Tensor, hours: Tensor) -> Tensor:
    """Probabilities (..., 2) of competing outcomes with constant hazards over `hours` (...)."""
    rate = log_rate.exp()
    total = rate.sum(-1, keepdim=True)
    return rate / total * -torch.expm1(-total * hours[..., None])


@dataclass(frozen=True)
class Examples:
    """N stays as inputs and targets of T steps."""

    inputs: Tensor  # (N, T, I)
    change: Tensor  # (N, T, D) scaled next value minus scaled last known value
    seen: Tensor  # (N, T, D) bool: the next value was measured
    state: Tensor  # (N, T) bool: a next state was observed, so what was measured is known
    hours: Tensor  # (N, T) positive; 1 in padding
    event: Tensor  # (N, T, 2) bool: discharged, died during the step
    mask: Tensor  # (N, T) bool: a decision was made

    def rows(self, index: Tensor, steps: int | None = None) -> Examples:
        """The examples of some stays, their first `steps` or all."""
        return Examples(*(value[index, :steps] for value in vars(self).values()))


def examples(layout: InputLayout, stays: Trajectories) -> Examples:
    """Training examples of recorded stays; what was not measured, and what follows the end, is never a target."""
    rows, steps = stays.mask.shape
    states = states_of(stays)
    before = states.rows(_every_decision(rows, steps, stays.mask.device))
    hours = torch.where(stays.mask, stays.hours, 1.0)
    inputs = layout.columns(before, stays.dose.flatten(0, 1), hours.flatten()).reshape(rows, steps, -1)
    values = layout.values(stays.vitals)
    last = torch.arange(steps, device=stays.mask.device) == stays.length[:, None] - 1
    ends = [last & (stays.outcome == code)[:, None] for code in (DISCHARGED, DIED)]
    observed = stays.mask & ~ends[0] & ~ends[1]
    return Examples(
        inputs=inputs,
        change=values[:, 1:] - values[:, :-1],
        seen=stays.seen[:, 1:] & observed[:, :, None],
        state=observed,
        hours=hours,
        event=torch.stack(ends, -1),
        mask=stays.mask,
    )


def negative_log_likelihood(raw: Tensor, target: Examples) -> Tensor:
    """Nats (N,) of every stay: measured values (Gaussian), which are measured (Bernoulli), outcomes (hazards)."""
    part = split_raw(raw)
    return value_loss(part, target) + measuring_loss(part.logit, target) + outcome_loss(part.log_rate, target)


def value_loss(part: Raw, target: Examples) -> Tensor:
    """Nats (N,) of the measured values: jointly Gaussian, a diagonal covariance plus the square of one shared factor.

    Of a diagonal W = 1 / own variance and factor l, the inverse is W - W l l' W / (1 + l' W l) (Sherman & Morrison
    1950), the determinant that of the diagonal times 1 + l' W l; what was not measured is left out of both.
    """
    seen = target.seen.to(part.change.dtype)
    weight = seen * torch.exp(-2 * part.log_sd)
    error = torch.where(target.seen, target.change - part.change, 0.0)
    along = 1 + (weight * part.shared.square()).sum(-1)
    square = (weight * error.square()).sum(-1) - (weight * part.shared * error).sum(-1).square() / along
    size = (seen * (2 * part.log_sd + math.log(2 * math.pi))).sum(-1) + along.log()
    return 0.5 * (square + size).sum(1)


def measuring_loss(logit: Tensor, target: Examples) -> Tensor:
    """Nats (N,) of which features were measured, from logits (N, T, D)."""
    nats = functional.binary_cross_entropy_with_logits(logit, target.seen.to(logit.dtype), reduction="none")
    return torch.where(target.state[:, :, None], nats, 0.0).sum((1, 2))


def outcome_loss(log_rate: Tensor, target: Examples) -> Tensor:
    """Nats (N,) of the outcomes under competing hazards that are constant within a step."""
    total = log_rate.logsumexp(-1)
    exposure = total.exp() * target.hours
    happened = torch.log(-torch.expm1(-exposure.clamp_min(1e-12))) - total
    event = target.event.float()
    log_p = (event * log_rate).sum(-1) + torch.where(target.event.any(-1), happened, -exposure)
    return -torch.where(target.mask, log_p, 0.0).sum(1)


def _every_decision(rows: int, steps: int, device: torch.device) -> Tensor:
    """Row numbers (N * T,) of the states before a decision among N * (T + 1) states."""
    stay = torch.arange(rows, device=device)[:, None] * (steps + 1)
    return (stay + torch.arange(steps, device=device)).flatten()
