"""Intervals that carry the error of the fitted behaviour policy: everything is fitted anew in every resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ...contracts import Decisions, Policy, Progress, silent
from .estimates import Estimate

Fit = Callable[[Decisions], Policy]


@dataclass(frozen=True)
class Refit:
    """How a behaviour policy is fitted anew: a function of training stays, those stays, and how often."""

    fit: Fit
    train: Decisions
    draws: int = 100
    seed: int = 0


def refitted(
    estimates: Mapping[str, Estimate],
    again: Callable[[Decisions, Policy], Mapping[str, Estimate]],
    held_out: Decisions,
    how: Refit,
    progress: Progress = silent,
) -> dict[str, Estimate]:
    """The estimates, their bootstrap replaced by one in which training and held-out patients are both drawn anew.

    `again` estimates on some stays under some behaviour policy. Training patients are resampled whole and the policy
    fitted to them; held-out patients likewise. ValueError for fewer than two draws.
    """
    if how.draws < 2:
        raise ValueError(f"refit: expected at least two draws, got {how.draws}")
    rng = np.random.default_rng([how.seed, 17])
    drawn: dict[str, list[float]] = {name: [] for name in estimates}
    for k in range(how.draws):
        behavior = how.fit(how.train.rows(resampled(how.train.subject.cpu().numpy(), rng)))
        stays = held_out.rows(resampled(held_out.subject.cpu().numpy(), rng))
        for name, one in again(stays, behavior).items():
            drawn[name].append(one.value)
        progress((k + 1) / how.draws, "fitting the clinician anew")
    note = f"behaviour policy fitted anew in each of {how.draws} resamples"
    return {
        name: replace(one, drawn=np.array(drawn[name]), notes=(*one.notes, note)) for name, one in estimates.items()
    }


def resampled(subject: npt.NDArray[np.int64], rng: np.random.Generator) -> torch.Tensor:
    """Rows (M,) int64 of as many patients as there are, drawn whole and with replacement."""
    patients, index = np.unique(subject, return_inverse=True)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(patients) + 1))
    picked = rng.integers(0, len(patients), len(patients))
    return torch.as_tensor(np.concatenate([order[starts[p] : starts[p + 1]] for p in picked]))
