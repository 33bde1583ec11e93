"""Fitted Q evaluation: what a target policy is worth at every logged decision, by regression on other patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contracts import Blend, Decisions, Policy, Progress, silent
from .critic_linear import fit_linear
from .critic_network import fit_network
from .critics import CriticConfig, Fit
from .logged import Array, Numbers
from .transitions import Transitions, transitions

_DEFAULT = CriticConfig()


@dataclass(frozen=True, eq=False)
class FittedQ:
    """A critic's values on stays that it was not fitted on; 0 after the end of a stay."""

    q: Array  # (N, T) of the logged action, mean over members
    v: Array  # (N, T+1) of the state under the target policy
    spread: Array  # (N, T+1) standard deviation of v between members: a lower limit of what is unknown
    bellman_error: float  # mean squared Bellman residual on tuning patients, mean over fits, in squared reward
    rounds: tuple[int, ...]  # of each fit


def fitted_q_evaluation(
    decisions: Decisions,
    policy: Policy | Blend,
    *,
    discount: float | Numbers = 1.0,
    train: Decisions | None = None,
    behavior: Policy | None = None,
    features: tuple[Tensor, Tensor | None] | None = None,
    config: CriticConfig = _DEFAULT,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedQ:
    """Values of `policy` on `decisions`, from critics that have not seen their patients.

    Fitted on `train`, which then must hold other patients and a single-number discount, else by cross-fitting: the
    patients in `config.folds` parts, each judged by critics of the others. `behavior` stands for the clinician of a
    blend. The value after death, discharge and the horizon is exactly 0; masks bind the target. Observations must
    say how much time is left. `features` of `decisions` (N, T+1, F) and of `train` is what critics go by instead of
    the observations: with a learned model's filtered belief, all of a patient's course. ValueError for shared
    patients or too few of them. Le, Voloshin & Yue (2019).
    """
    seen, seen_in_training = (None, None) if features is None else features
    data = transitions(decisions, policy, discount, behavior, seen)
    subject = _per_decision(decisions)
    if train is None:
        fold = _folds(subject, config.folds, seed)
        parts = [(data, fold != k, fold == k, subject) for k in range(config.folds)]
    else:
        parts = [_apart(train, decisions, transitions(train, policy, discount, behavior, seen_in_training), len(data))]
    members = 1 if config.kind == "linear" else config.members
    found = torch.full((members, 2, len(data)), torch.nan, dtype=torch.float64)
    fits = []
    for k, (source, learn, judge, who) in enumerate(parts):
        for member in range(members):
            progress((k * members + member) / (len(parts) * members), "fitting the critic")
            fit = _fit(source.rows(learn), who[learn], config, [seed, k, member])
            coefficients = fit.critic(data.obs[judge])
            found[member, 0, judge] = (coefficients * data.taken[judge]).sum(1)
            found[member, 1, judge] = (coefficients * data.wanted[judge]).sum(1)
            fits.append(fit)
    progress(1.0, "done")
    return _result(found, decisions.mask.cpu(), fits)


def _fit(data: Transitions, subject: Tensor, config: CriticConfig, seed: Sequence[int]) -> Fit:
    """One critic; its own share of the patients says when to stop."""
    entropy = np.random.default_rng(seed)
    patients = subject.unique()
    count = max(1, round(config.tuning_share * len(patients)))
    if len(patients) < 2:
        raise ValueError(f"fitted Q: expected at least two patients to fit on, got {len(patients)}")
    tuning = torch.isin(subject, patients[torch.as_tensor(entropy.permutation(len(patients))[:count])])
    length = _longest(data)
    if config.kind == "linear":
        return fit_linear(data, data.rows(~tuning), data.rows(tuning), config, length)
    return fit_network(data.rows(~tuning), data.rows(tuning), config, length, int(entropy.integers(2**31)))


def _longest(data: Transitions) -> int:
    """Decisions in the longest stay."""
    ends = torch.nonzero(data.last)[:, 0]
    return int(torch.diff(ends, prepend=ends.new_tensor([-1])).max())


def _per_decision(decisions: Decisions) -> Tensor:
    return decisions.subject[:, None].expand(decisions.mask.shape)[decisions.mask].cpu()


def _folds(subject: Tensor, folds: int, seed: int) -> Tensor:
    patients, index = subject.unique(return_inverse=True)
    if not 2 <= folds <= len(patients):
        raise ValueError(f"fitted Q: expected between 2 and {len(patients)} folds of as many patients, got {folds}")
    order = np.random.default_rng([seed, 1]).permutation(len(patients)) % folds
    return torch.as_tensor(order)[index]


def _apart(
    train: Decisions, decisions: Decisions, source: Transitions, size: int
) -> tuple[Transitions, Tensor, Tensor, Tensor]:
    shared = torch.isin(decisions.subject, train.subject)
    if shared.any():
        raise ValueError(f"fitted Q: {int(shared.sum())} stays belong to patients of train; expected other patients")
    return source, torch.ones(len(source), dtype=torch.bool), torch.ones(size, dtype=torch.bool), _per_decision(train)


def _result(found: Tensor, mask: Tensor, fits: Sequence[Fit]) -> FittedQ:
    full = torch.zeros(*found.shape[:2], len(mask), mask.shape[1] + 1, dtype=torch.float64)
    full[:, :, :, :-1][:, :, mask] = found
    q, v = full.mean(0).numpy()
    spread = full[:, 1].std(0, unbiased=False).numpy()
    return FittedQ(q[:, :-1], v, spread, float(np.mean([f.error for f in fits])), tuple(f.rounds for f in fits))
