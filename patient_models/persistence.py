"""The patient who stays as he is: the yardstick that every learned patient must beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Progress, Trajectories, silent
from .learned_affine import Affine
from .learned_heads import NEVER, Examples, examples, outputs
from .learned_setting import Setting


@dataclass(frozen=True)
class PersistenceConfig:
    """Nothing to set."""


def fit_persistence(
    train: Trajectories,
    tuning: Trajectories | None = None,
    config: PersistenceConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Affine:
    """Persistence: the next value is the last one plus noise; measurements and outcomes keep their mean rates.

    `tuning` and `seed` are there for the common signature: nothing is chosen, nothing drawn. ValueError where the
    training stays hold no decision.
    """
    setting = Setting.of(train)
    target = examples(setting.layout, train)
    weight = torch.zeros(setting.layout.size + 1, outputs(len(train.spec.features)))
    weight[-1] = constant_outputs(target)
    progress(1.0, "persistence fitted")
    return Affine("persistence", setting, weight)


def constant_outputs(target: Examples, weight: Tensor | None = None) -> Tensor:
    """Raw outputs (P,) under which nothing changes: SD of the change, share measured, hazard of each outcome.

    Stays count by `weight` (N,). Half a case is added to each share, so that no probability is 0 or 1; the hazard of
    an outcome that never happened is NEVER.
    """
    each = torch.ones(len(target.mask)) if weight is None else weight
    seen, state = target.seen * each[:, None, None], target.state * each[:, None]
    square = (torch.where(target.seen, target.change, 0.0).square() * each[:, None, None]).sum((0, 1))
    log_sd = 0.5 * torch.log((square + 0.01) / (seen.sum((0, 1)) + 1))
    share = (seen.sum((0, 1)) + 0.5) / (state.sum() + 1)
    events = (target.event * each[:, None, None]).sum((0, 1))
    exposure = (torch.where(target.mask, target.hours, 0.0) * each[:, None]).sum()
    log_rate = torch.where(events > 0, torch.log(events.clamp_min(0.5) / exposure), NEVER)
    return torch.cat([torch.zeros_like(log_sd), log_sd, torch.zeros_like(log_sd), torch.logit(share), log_rate])
