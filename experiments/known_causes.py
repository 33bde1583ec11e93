"""How strongly what is measured moves a decision: the scale on which a hidden cause can be thought of."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Decisions, DiscretePolicy, Feature, Spec
from ..evaluation.report import KnownCause
from ..trajectories.sited import here

SHARE = 0.95  # of the stays, whose odds change by no more
_DRAWS = 12  # values put in the place of each patient's own
_RIDGE = 1e-3  # of a column's variance
_SURE = 1e-6  # probabilities stay that far from 0 and 1


@torch.no_grad()
def known_causes(
    decisions: Decisions, behavior: DiscretePolicy, spec: Spec, *, decision: int = 0
) -> tuple[KnownCause, ...]:
    """For each feature, by how much not knowing it would change the odds of what was given, the strongest first.

    Its columns are drawn anew given all others: what these foretell of them linearly, plus what another patient had
    beyond that. The factor is that between the fitted clinician's odds and those of its mean over the draws, which
    `SHARE` of stays do not exceed. ValueError where observations do not begin with the columns of `spec`.
    """
    there = decisions.mask[:, decision]
    obs, action = decisions.obs[there, decision], decisions.action[there, decision]
    width = 3 * len(spec.features) + len(spec.context)
    if obs.shape[1] < width:
        raise ValueError(f"obs: expected at least {width} columns, those of the spec, got {obs.shape[1]}")
    policy = here(behavior, decisions.site[there])
    known, generator = _log_odds(policy.probs(obs, None), action), torch.Generator().manual_seed(0)
    others = [torch.randperm(len(obs), generator=generator).to(obs.device) for _ in range(_DRAWS)]
    found = []
    for feature, columns in _columns(spec):
        foretold = _foretold(obs, columns)
        mean = torch.zeros_like(policy.probs(obs, None))
        for other in others:
            drawn = obs.clone()
            drawn[:, columns] = foretold + (obs[:, columns] - foretold)[other]
            mean += policy.probs(drawn, None) / _DRAWS
        change = (known - _log_odds(mean, action)).abs()
        factor = float(torch.quantile(change.double(), SHARE).exp())
        found.append(KnownCause(name=feature.name, label=feature.label, factor=factor))
    return tuple(sorted(found, key=lambda cause: -(cause.factor or 0.0)))


def _columns(spec: Spec) -> list[tuple[Feature, list[int]]]:
    """Each feature with its value, age and freshness; each fact known from the start with its value."""
    size = len(spec.features)
    measured = [(feature, [i, size + i, 2 * size + i]) for i, feature in enumerate(spec.features)]
    return measured + [(feature, [3 * size + i]) for i, feature in enumerate(spec.context)]


def _foretold(obs: Tensor, columns: list[int]) -> Tensor:
    """What all other columns say of some (M, C), by ridge regression."""
    rest = torch.ones(obs.shape[1], dtype=torch.bool, device=obs.device)
    rest[columns] = False
    mean = obs.double().mean(0)
    centred = obs.double() - mean
    x, y = centred[:, rest], centred[:, columns]
    gram = x.T @ x
    gram += torch.diag(_RIDGE * gram.diagonal() + 1e-9 * len(obs))
    found: Tensor = x @ torch.linalg.solve(gram, x.T @ y) + mean[columns]
    return found.to(obs.dtype)


def _log_odds(probs: Tensor, action: Tensor) -> Tensor:
    own = probs.gather(1, action[:, None])[:, 0].clamp(_SURE, 1 - _SURE)
    return own.log() - torch.log1p(-own)
