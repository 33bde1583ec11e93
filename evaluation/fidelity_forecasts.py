"""How far a patient model's forecasts are from what held-out stays measured, one and more decisions ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.special import ndtr

from ..contracts import DIED, IN_CARE, PatientModel, PatientState, Trajectories
from ..trajectories.carry import valid_states
from ..trajectories.noise import normals
from ..trajectories.scaling import Scaler
from .off_policy.logged import Array

BOUND = 8.0  # scaled values are clipped to +-BOUND, so that one charting extreme cannot decide a comparison
_BINS = 10
_BLOCK = 20_000  # simulated rows at a time
_CENTRAL = (0.6744897501960817, 1.959963984540054)  # half-widths of the central 50 and 95 % of a normal, in SD


class Forecaster(PatientModel, Protocol):
    """A patient model that can pick up a recorded stay and say what it expects next."""

    def resume(self, stays: Trajectories) -> PatientState:
        """Every recorded state (N * (T + 1) rows, stay by stay), ready to be stepped."""

    def forecast(self, state: PatientState, dose: Tensor, hours: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean and SD (B, D) in scaled units, probability measured (B, D), risk of discharge and death (B, 2)."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one model some decisions ahead, summed over the forecasts of each of N stays."""

    features: tuple[str, ...]
    subject: Array  # (N,)
    square: Array  # (N, D) squared error in scaled units
    nats: Array  # (N, D) negative logarithm of the predicted density
    count: Array  # (N, D) measured values
    crps: Array  # (N, D) continuous ranked probability scores, in scaled units
    within: Array  # (N, 2 D) measured values inside the central 50 % of the forecast, then inside the central 95 %
    risk: Array = field(repr=False)  # (R,) predicted probability of death within these decisions
    died: Array = field(repr=False)  # (R,) 1 where it came true
    stay: Array = field(repr=False)  # (R,) the stay that a risk belongs to
    transform: Array = field(default_factory=lambda: np.zeros((0, 0, _BINS)), repr=False)  # (blocks, D, 10) counts

    @property
    def rmse(self) -> Array:
        """Root mean squared error (D,), in half-widths of the reference range; nan where nothing was measured."""
        return np.sqrt(_ratio(self.square, self.count))

    @property
    def nll(self) -> Array:
        """Mean negative log-likelihood (D,), nats per measured value."""
        return _ratio(self.nats, self.count)

    @property
    def mean_crps(self) -> Array:
        """Mean continuous ranked probability score (D,), in half-widths of the reference range."""
        return _ratio(self.crps, self.count)

    @property
    def transforms(self) -> Array:
        """Share (D, 10) of probability integral transforms in ten equal bins; .1 each of a calibrated forecast."""
        return _ratio(self.transform, self.transform.sum(2, keepdims=True))

    @property
    def coverage(self) -> tuple[Array, Array]:
        """Shares (D,) of measured values inside the central 50 and 95 % of their forecasts."""
        half, most = np.split(self.within, 2, 1)
        return _ratio(half, self.count), _ratio(most, self.count)


@torch.no_grad()
def forecast_errors(
    model: Forecaster,
    stays: Trajectories,
    decisions: Sequence[int] = (1,),
    *,
    copies: int = 1,
    every: int = 1,
    seed: int = 0,
) -> dict[int, Errors]:
    """Errors by how many decisions ahead, from every `every`-th decision on, under the doses really given.

    Each stay is simulated in `copies`; of the last step the expected value is taken, not a draw. Copies that died on
    the way do not count, unless all did. Doses were chosen by someone who saw the true course, so risks more than one
    decision ahead rank patients but need not be calibrated, even of a true model. ValueError where the model speaks
    of other features.
    """
    if model.spec.features != stays.spec.features:
        raise ValueError("the model and the stays differ in their features: read the stays with the model's task")
    if not decisions or min(decisions) < 1:
        raise ValueError(f"decisions: expected numbers of at least 1, got {tuple(decisions)}")
    per_stay = max(1, -(-stays.mask.shape[1] // every) * copies)
    size = max(1, _BLOCK // per_stay)
    found: dict[int, list[Errors]] = {k: [] for k in decisions}
    for first in range(0, len(stays), size):
        part = stays.rows(torch.arange(first, min(first + size, len(stays)), device=stays.mask.device))
        for k, errors in _block(model, part, first, (tuple(decisions), copies, every, seed)).items():
            found[k].append(errors)
    return {k: _joined(parts) for k, parts in found.items()}


def _block(
    model: Forecaster, stays: Trajectories, first: int, plan: tuple[tuple[int, ...], int, int, int]
) -> dict[int, Errors]:
    decisions, copies, every, seed = plan
    steps = stays.mask.shape[1]
    stay, start = torch.nonzero(stays.mask[:, ::every], as_tuple=True)
    start = start * every
    number = (stay * (steps + 1) + start).repeat_interleave(copies)
    state = model.resume(stays).rows(number)
    noise_key = ((stay + first) * (steps + 1) + start + seed * 1_000_003).repeat_interleave(copies)
    copy = torch.arange(copies, device=number.device).repeat(len(stay))
    found = {}
    for ahead in range(max(decisions)):
        dose, hours = (x.repeat_interleave(copies, 0) for x in _given(stays, stay, start + ahead))
        if ahead + 1 in decisions:
            expected = model.forecast(state, dose, hours)
            found[ahead + 1] = _scored(expected, state.outcome, stays, (stay, start + ahead + 1, first))
        if ahead + 1 < max(decisions):
            noise = normals(noise_key, copy, torch.full_like(copy, ahead), model.noise_dim)
            state = model.step(state, dose, hours, noise)
    return found


def _given(stays: Trajectories, stay: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Dose (R, U) and hours (R,) at each `step` of each `stay` (R,); after the end, the last ones go on."""
    last = torch.minimum(step, stays.length[stay] - 1)
    return stays.dose[stay, last], stays.hours[stay, last]


def _scored(
    expected: tuple[Tensor, Tensor, Tensor, Tensor],
    outcome: Tensor,
    stays: Trajectories,
    place: tuple[Tensor, Tensor, int],
) -> Errors:
    """Forecasts of copies (R * copies) against what `stays` show at each (stay, step) of `place` (R,)."""
    stay, step, first = place
    reached = step <= stays.mask.shape[1]  # beyond the horizon only deaths would be known: a biased sample
    shown = reached & (step <= stays.length[stay])
    step = step.clamp_max(stays.mask.shape[1])
    scaled = Scaler.of(stays.spec.features).to(stays.vitals.device).scale(stays.vitals[stay, step]).clamp(-BOUND, BOUND)
    seen = stays.seen[stay, step] & (shown & valid_states(stays)[stay, step])[:, None]
    alive = (outcome == IN_CARE).to(scaled.dtype).unflatten(0, (len(stay), -1))
    mean, sd = _mixed(expected[0], expected[1], alive)
    square = (scaled - mean).square()
    nats = 0.5 * square / sd.square() + sd.log() + 0.5 * math.log(2 * math.pi)
    z = (scaled - mean) / sd
    within = torch.cat([(z.abs() <= width).to(square.dtype) for width in _CENTRAL], 1)
    dead = (outcome == DIED).to(scaled.dtype).unflatten(0, (len(stay), -1))
    risk = (dead + alive * expected[3][:, 1].unflatten(0, (len(stay), -1))).mean(1)
    known = reached & (shown | (stays.outcome[stay] != IN_CARE))
    died = (stays.outcome[stay] == DIED) & (stays.length[stay] <= step)
    return Errors(
        features=tuple(f.name for f in stays.spec.features),
        subject=stays.subject.cpu().numpy().astype(np.float64),
        square=_summed(square, seen, stay, len(stays)),
        nats=_summed(nats, seen, stay, len(stays)),
        count=_summed(torch.ones_like(square), seen, stay, len(stays)),
        crps=_summed(_crps(z, sd), seen, stay, len(stays)),
        within=_summed(within, seen.repeat(1, 2), stay, len(stays)),
        risk=risk[known].double().cpu().numpy(),
        died=died[known].double().cpu().numpy(),
        stay=(stay[known] + first).double().cpu().numpy(),
        transform=_histogram(ndtr(z), seen),
    )


def _crps(z: Tensor, sd: Tensor) -> Tensor:
    """CRPS (R, D) of normal forecasts, `z` SD away from what came (Gneiting & Raftery 2007, section 4.2)."""
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    score: Tensor = sd * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return score


def _histogram(transform: Tensor, seen: Tensor) -> Array:
    """How many of the probability integral transforms (R, D) that were `seen` fall into each bin (1, D, 10)."""
    place = (transform * _BINS).long().clamp(0, _BINS - 1)
    counts = (torch.nn.functional.one_hot(place, _BINS) * seen[..., None]).sum(0, keepdim=True)
    return np.asarray(counts.double().cpu().numpy())


def _mixed(mean: Tensor, sd: Tensor, alive: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and SD (R, D) of the mixture of each forecast's copies (R * copies, D), those `alive` (R, copies)."""
    weight = torch.where(alive.sum(1, keepdim=True) > 0, alive, 1.0)
    weight = (weight / weight.sum(1, keepdim=True))[:, :, None]
    mean, sd = mean.unflatten(0, alive.shape), sd.unflatten(0, alive.shape)
    center = (weight * mean).sum(1)
    return center, (weight * (sd.square() + (mean - center[:, None]).square())).sum(1).sqrt()


def _summed(values: Tensor, seen: Tensor, stay: Tensor, stays: int) -> Array:
    """Totals (N, D) of values (R, D) where `seen`, by stay (R,)."""
    total = torch.zeros(stays, values.shape[1], dtype=torch.float64, device=values.device)
    return np.asarray(total.index_add_(0, stay, torch.where(seen, values, 0.0).double()).cpu().numpy())


def _joined(parts: list[Errors]) -> Errors:
    if not parts:
        raise ValueError("no stays to forecast: the held-out split is empty")
    names = [name for name in vars(parts[0]) if name != "features"]
    return Errors(parts[0].features, **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _ratio(total: Array, count: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total.sum(0) / count.sum(0))
