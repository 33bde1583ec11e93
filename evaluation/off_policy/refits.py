"""What the error of a fitted behaviour policy adds to an interval, from a few policies fitted to resampled patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...contracts import Decisions, Policy, Progress, silent
from .estimates import Estimate
from .refit import resampled

FitBoth = Callable[[Decisions, Decisions, int], Policy]  # of training stays, tuning stays and a seed


def behavior_refits(
    fit: FitBoth, train: Decisions, tuning: Decisions, draws: int, *, seed: int = 0, progress: Progress = silent
) -> tuple[Policy, ...]:
    """Behaviour policies fitted anew, each to training and to tuning patients drawn whole and with replacement.

    A handful says how far chance in the training patients moves an estimate; every policy of a run is judged under
    the same ones. ValueError for fewer than two draws.
    """
    if draws < 2:
        raise ValueError(f"refits: expected at least two, got {draws}")
    rng = np.random.default_rng([seed, 31])
    found = []
    for k in range(draws):
        parts = [one.rows(resampled(one.subject.cpu().numpy(), rng)) for one in (train, tuning)]
        found.append(fit(parts[0], parts[1], seed + k + 1))
        progress((k + 1) / draws, "fitting the clinician anew")
    return tuple(found)


def with_shifts(estimates: Mapping[str, Estimate], again: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """The estimates, their intervals widened by how the values under K refits, `again`, scatter around their mean.

    The interval stays around the estimate: refits see fewer patients, so that their mean is no better centre. Scaled
    by sqrt(K / (K - 1)), as a standard deviation of few. Estimates without weights are left as they are.
    """
    scale = np.sqrt(len(again) / (len(again) - 1))
    found = {}
    for name, one in estimates.items():
        values = np.array([refit[name].value for refit in again])
        note = f"interval with the error of the behaviour policy, from {len(again)} refits"
        shifts = (values - values.mean()) * scale
        found[name] = replace(one, shifts=shifts, notes=(*one.notes, note)) if one.weights else one
    return found
