"""What a learned model's state tells of a hidden truth: a linear probe, some decisions ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...contracts import IN_CARE, PatientState, Trajectories
from ...evaluation.off_policy.logged import Array
from ...patient_models.lstm import LSTMEnsemble
from ...trajectories.carry import valid_states
from ...trajectories.noise import normals

_RIDGE = 1e-3  # of the number of rows, on standardised columns
_BLOCK = 20_000  # rows at a time


@dataclass(frozen=True, eq=False)
class Probe:
    """Target = intercept + (state - mean) / sd @ weight."""

    mean: Tensor  # (F,)
    sd: Tensor
    weight: Tensor
    intercept: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """The target (R,) as states (R, F) tell it."""
        return self.intercept + (states - self.mean) / self.sd @ self.weight


def fit_probe(model: LSTMEnsemble, stays: Trajectories, target: Tensor, ahead: int, every: int, copies: int) -> Probe:
    """Ridge regression of a target (N, T+1) on the model's state, `ahead` decisions after it last saw anything."""
    stay, step, states = _states(model, stays, ahead, every, copies)
    known = _shown(stays, stay, step)
    x, y = states[known].double(), target[stay, step][known].double()
    mean, sd = x.mean(0), x.std(0).clamp_min(1e-6)
    z = (x - mean) / sd
    weight = torch.linalg.solve(z.t() @ z + _RIDGE * len(z) * torch.eye(z.shape[1]), z.t() @ (y - y.mean()))
    return Probe(mean, sd, weight, y.mean())


def probe_errors(
    probe: Probe, model: LSTMEnsemble, stays: Trajectories, target: Tensor, ahead: int, every: int, copies: int
) -> tuple[Array, Array]:
    """Squared errors of the target (N,), summed by stay, and how many there are."""
    stay, step, states = _states(model, stays, ahead, every, copies)
    known = _shown(stays, stay, step)
    error = (probe(states.double()) - target[stay, step])[known].square()
    square, count = (torch.zeros(len(stays), dtype=torch.float64) for _ in range(2))
    square.index_add_(0, stay[known], error)
    count.index_add_(0, stay[known], torch.ones_like(error))
    return square.numpy(), count.numpy()


def _shown(stays: Trajectories, stay: Tensor, step: Tensor) -> Tensor:
    return valid_states(stays)[stay, step]


@torch.no_grad()
def _states(
    model: LSTMEnsemble, stays: Trajectories, ahead: int, every: int, copies: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Stay and step (R,) forecast, and the model's state (R, F) there, averaged over copies: memory, values, doses."""
    length = stays.mask.shape[1]
    stay, start = torch.nonzero(stays.mask[:, : length - ahead + 1 : every], as_tuple=True)
    start = start * every
    resumed = model.resume(stays)
    parts = [
        _ahead(model, stays, resumed.rows((s * (length + 1) + t).repeat_interleave(copies)), (s, t), ahead, copies)
        for s, t in zip(stay.split(_BLOCK // copies), start.split(_BLOCK // copies), strict=True)
    ]
    return stay, start + ahead, torch.cat(parts)


def _ahead(
    model: LSTMEnsemble, stays: Trajectories, state: PatientState, place: tuple[Tensor, Tensor], ahead: int, copies: int
) -> Tensor:
    """States (R, F) of `state` (R * copies rows) `ahead` decisions later, those of copies still in care averaged."""
    stay, start = place
    key = (stay * (stays.mask.shape[1] + 1) + start).repeat_interleave(copies)
    copy = torch.arange(copies).repeat(len(stay))
    for step in range(ahead):
        last = torch.minimum(start + step, stays.length[stay] - 1)
        dose, hours = (x[stay, last].repeat_interleave(copies, 0) for x in (stays.dose, stays.hours))
        state = model.step(state, dose, hours, normals(key, copy, torch.full_like(copy, step), model.noise_dim))
    layout = model.setting.layout
    told = torch.cat((state.memory[:, 1:], layout.values(state.vitals), state.total_dose.sqrt(), state.context), 1)
    alive = (state.outcome == IN_CARE).to(told.dtype).unflatten(0, (-1, copies))
    alive = torch.where(alive.sum(1, keepdim=True) > 0, alive, 1.0)[:, :, None]
    mean: Tensor = (told.unflatten(0, (-1, copies)) * alive).sum(1) / alive.sum(1)
    return mean
