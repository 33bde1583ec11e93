"""Can generated patients be told from real ones, and does any come too close to one: a two-sample test, distances."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ..contracts import PatientState, Spec
from ..trajectories.scaling import Scaler, scale_age
from .off_policy.logged import Array
from .report_parts import Interval

_HIDDEN, _UPDATES, _PATIENCE, _NETWORKS = 64, 300, 15, 2
_BOUND = 8.0  # scaled values are clipped to +-BOUND


def known_columns(spec: Spec, state: PatientState) -> Array:
    """What is known of each patient (N, C + 4 D), scaled: context, values (0 if unknown), seen, carried, their ages."""
    age = scale_age(spec, state.age)
    carried = ~state.seen & (age < 1 - 1e-6)
    values = Scaler.of(spec.features).scale(state.vitals).clamp(-_BOUND, _BOUND)
    columns = [
        Scaler.of(spec.context).scale(state.context).clamp(-_BOUND, _BOUND),
        torch.where(state.seen | carried, values, 0.0),
        state.seen.float(),
        carried.float(),
        torch.where(carried, age, 0.0),
    ]
    return torch.cat(columns, 1).double().cpu().numpy()


def classifier_auc(real: Array, generated: Array, *, folds: int = 5, seed: int = 0) -> Interval:
    """Area under the ROC curve of a network that tells generated rows (M, J) from real ones (N, J); .5 if it cannot.

    The classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv 1610.06545): rows are scored by networks that never
    saw them, the area is the mean over folds, its 95 % interval DeLong's (1988). ValueError for fewer than two rows a
    fold of either kind.
    """
    if min(len(real), len(generated)) < 2 * folds:
        raise ValueError(f"{folds} folds need {2 * folds} rows of either kind, got {len(real)} and {len(generated)}")
    rows, label = np.concatenate([real, generated]), np.repeat([1.0, 0.0], [len(real), len(generated)])
    rng = np.random.default_rng(seed)
    fold = np.empty(len(rows), dtype=np.int64)
    for kind in (0.0, 1.0):
        fold[label == kind] = rng.permutation(np.arange((label == kind).sum()) % folds)
    areas, variances = [], []
    for k in range(folds):
        score = _scores(rows[fold != k], label[fold != k], rows[fold == k], seed + k)
        area, variance = _area(score[label[fold == k] == 1], score[label[fold == k] == 0])
        areas.append(area)
        variances.append(variance)
    value, half = float(np.mean(areas)), 1.96 * math.sqrt(sum(variances)) / folds
    return Interval(value=value, low=max(0.0, value - half), high=min(1.0, value + half))


def nearest_distance(rows: Array, among: Array) -> Array:
    """Distance (N,) from each of `rows` (N, J) to the nearest of `among` (M, J), root mean square over columns."""
    a, b = torch.as_tensor(rows), torch.as_tensor(among)
    return np.asarray((torch.cdist(a, b) / math.sqrt(a.shape[1])).min(1).values.numpy())


def _scores(rows: Array, label: Array, unseen: Array, seed: int) -> Array:
    """Mean logit (M,) of a few networks for `unseen` rows, each stopped on a fifth of what it may learn from."""
    center, spread = rows.mean(0), np.maximum(rows.std(0), 1e-6)
    x, new = (torch.tensor((part - center) / spread).float().clamp(-_BOUND, _BOUND) for part in (rows, unseen))
    y = torch.tensor(label).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = [_fit(x, y)(_widened(new))[:, 0] for _ in range(_NETWORKS)]
    return torch.stack(found).mean(0).detach().double().numpy()


def _fit(x: Tensor, y: Tensor) -> nn.Module:
    stop = torch.zeros(len(x), dtype=torch.bool)
    stop[torch.randperm(len(x))[: len(x) // 5]] = True
    inputs = _widened(x)
    network = nn.Sequential(nn.Linear(inputs.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1)
    loss = nn.BCEWithLogitsLoss()
    best, kept, waited = math.inf, network.state_dict(), 0
    for _ in range(_UPDATES):
        with torch.no_grad():
            score = float(loss(network(inputs[stop])[:, 0], y[stop]))
        waited = 0 if score < best else waited + 1
        if score < best:
            best, kept = score, {name: value.clone() for name, value in network.state_dict().items()}
        if waited > _PATIENCE:
            break
        optimiser.zero_grad()
        loss(network(inputs[~stop])[:, 0], y[~stop]).backward()
        optimiser.step()
    network.load_state_dict(kept)
    return network


def _widened(x: Tensor) -> Tensor:
    """Columns and their squares, so that spreads are seen as easily as means."""
    return torch.cat([x, x.square().clamp_max(_BOUND) - 1], 1)


def _area(positive: Array, negative: Array) -> tuple[float, float]:
    """Area under the ROC curve and its variance, from the placements of either kind (DeLong et al. 1988)."""
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    above = (ranks[:n] - stats.rankdata(positive)) / m  # share of negatives below each positive
    below = 1 - (ranks[n:] - stats.rankdata(negative)) / n
    return float(above.mean()), float(above.var(ddof=1) / n + below.var(ddof=1) / m)
