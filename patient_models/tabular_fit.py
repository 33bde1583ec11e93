"""A tabular patient fitted to records by counting transitions, with the admissible actions that the records had."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import DIED, DISCHARGED, Trajectories
from ..trajectories.levels import action_of_dose
from .tabular import Tabular


def count_transitions(like: Tabular, stays: Trajectories) -> tuple[Tensor, Tensor]:
    """How often each transition (S, A, S + 2) and each first state (S,) occurs in the stays, float64.

    States are told apart as `like` does, from what is measured. ValueError where the stays have another spec.
    """
    if stays.spec != like.spec:
        raise ValueError("the stays are described by another spec than the tabular patient: read them with its task")
    rows, steps = stays.mask.shape
    state = like.state_of(stays.vitals.flatten(0, 1)).reshape(rows, steps + 1)
    action = action_of_dose(like.spec, stays.dose)
    end = torch.where(stays.outcome == DISCHARGED, like.states, like.states + 1)
    last = torch.arange(steps) == stays.length[:, None] - 1
    ended = last & torch.isin(stays.outcome, torch.tensor([DISCHARGED, DIED]))[:, None]
    after = torch.where(ended, end[:, None], state[:, 1:])
    width = like.states + 2
    flat = (state[:, :-1] * like.spec.actions + action) * width + after
    counts = torch.bincount(flat[stays.mask], minlength=like.transition.numel())
    first = torch.bincount(state[:, 0], minlength=like.states)
    return counts.reshape(like.transition.shape).double(), first.double()


def fit_tabular(like: Tabular, stays: Trajectories, *, prior: float = 0.0) -> Tabular:
    """The patient whose transitions have the frequencies of the stays.

    States and admissible actions are those of `like`, whose transitions are not read. Where nothing was seen: an
    admissible action takes the mean over the state's seen ones; a state never visited leads where stays lead on
    average. `prior` adds that many visits of the state's mean to every admissible action, which shrinks what was seen
    once or twice. An inadmissible action is the mean of the admissible ones. ValueError where the stays hold no
    decision, or where a spec or `prior` is wrong.
    """
    if not prior >= 0:
        raise ValueError(f"prior: expected a number of visits of at least 0, got {prior}")
    counts, first = count_transitions(like, stays)
    if not bool(counts.any()):
        raise ValueError("expected at least one decision to count, got none")
    seen = torch.where(like.admissible[:, :, None], counts, 0.0)
    overall = counts.sum((0, 1)) / counts.sum()
    visits = counts.sum((1, 2))[:, None]
    middle = torch.where(visits > 0, counts.sum(1) / visits.clamp_min(1), overall)[:, None, :]
    total = seen.sum(2, keepdim=True)
    known = (seen + prior * middle) / (total + prior).clamp_min(1e-300)
    known = torch.where((total + prior) > 0, known, middle)
    among = like.admissible.double() / like.admissible.sum(1, keepdim=True)
    average = torch.einsum("sa,san->sn", among, known)[:, None, :]
    transition = torch.where(like.admissible[:, :, None], known, average)
    return Tabular(like.spec, transition, first / first.sum(), like.admissible, like.values, like.fixed_hours)
