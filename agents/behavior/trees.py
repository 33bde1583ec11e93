"""Gradient-boosted trees, grown by scikit-learn and kept as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

_BLOCK = 4_000_000  # positions in trees held at once
_SAVED = ("feature", "threshold", "left", "right", "value", "root", "baseline")


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose leaves add to the logit of one action each; nodes of all trees in one list, a leaf its own child."""

    kind: ClassVar[str] = "trees"
    feature: Tensor  # (J,) int64
    threshold: Tensor  # (J,) at most this: to the left
    left: Tensor  # (J,) int64
    right: Tensor  # (J,) int64
    value: Tensor  # (J,) of a leaf
    root: Tensor  # (K, A) int64, by round and action
    baseline: Tensor  # (A,)
    depth: int

    def __call__(self, obs: Tensor) -> Tensor:
        """Logits (B, A)."""
        trees = max(1, self.root.numel())
        return torch.cat([self._block(rows) for rows in torch.split(obs, max(1, _BLOCK // trees))])

    def _block(self, obs: Tensor) -> Tensor:
        place = self.root.flatten().expand(len(obs), -1)
        for _ in range(self.depth):
            low = obs.gather(1, self.feature[place]) <= self.threshold[place]
            place = torch.where(low, self.left[place], self.right[place])
        return self.value[place].reshape(len(obs), *self.root.shape).sum(1) + self.baseline

    def first(self, rounds: int) -> Forest:
        """The forest of the first rounds alone."""
        return replace(self, root=self.root[:rounds])

    def to(self, device: torch.device | str) -> Forest:
        """The same forest on `device`."""
        return Forest.restore(self.settings(), {name: x.to(device) for name, x in self.weights().items()}, "")

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"depth": self.depth}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """Named tensors."""
        return {f"{prefix}{name}": x for name, x in vars(self).items() if isinstance(x, Tensor)}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor], prefix: str) -> Forest:
        """What was saved."""
        feature, threshold, left, right, value, root, baseline = (weights[f"{prefix}{name}"] for name in _SAVED)
        return cls(feature, threshold, left, right, value, root, baseline, cast(int, settings["depth"]))


def fit_trees(
    train: tuple[Tensor, Tensor], tuning: tuple[Tensor, Tensor], actions: int, *, rounds: int, seed: int
) -> Forest:
    """Histogram gradient boosting of the multinomial likelihood, stopped where tuning decisions are likeliest.

    `train` and `tuning` hold observations (M, O) and actions (M,). Actions never taken keep a small baseline.
    ImportError where scikit-learn is missing.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        raise ImportError("trees need scikit-learn: install it with `pip install posology[trees]`") from None
    obs, action = train
    known = action.unique()
    if len(known) < 2:
        return _grown([], known, torch.full((actions,), -10.0).index_fill(0, known, 0.0))
    grown = HistGradientBoostingClassifier(
        max_iter=rounds, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0, learning_rate=0.15,
        early_stopping=False, random_state=seed,
    ).fit(obs.cpu().numpy(), action.cpu().numpy())  # fmt: skip
    start = grown._baseline_prediction[0]
    usual = torch.as_tensor(start if len(known) > 2 else (0.0, start[0]), dtype=torch.float32)
    forest = _grown(grown._predictors, known, torch.full((actions,), -10.0).index_copy(0, known, usual))
    return forest.first(_best(forest, *tuning))


def _best(forest: Forest, obs: Tensor, action: Tensor) -> int:
    """After how many rounds the decisions are likeliest."""
    scores = forest.baseline.expand(len(obs), -1)
    losses = [float(torch.nn.functional.cross_entropy(scores, action))]
    for k in range(len(forest.root)):
        alone = replace(forest, root=forest.root[k : k + 1], baseline=torch.zeros_like(forest.baseline))
        scores = scores + alone(obs)
        losses.append(float(torch.nn.functional.cross_entropy(scores, action)))
    return int(np.argmin(losses))


def _grown(rounds: list[list[Any]], known: Tensor, baseline: Tensor) -> Forest:
    """All trees in one list; node 0 is a leaf of value 0, which stands for actions never taken."""
    columns: list[list[np.ndarray]] = [[np.zeros(1)] for _ in range(5)]
    root = torch.zeros(len(rounds), len(baseline), dtype=torch.int64)
    size, depth = 1, 0
    owners = known[-1:] if len(known) == 2 else known  # two actions: one tree, for the second
    for k, trees in enumerate(rounds):
        for action, tree in zip(owners.tolist(), trees, strict=True):
            grown = tree.nodes
            leaf, own = grown["is_leaf"] > 0, np.arange(len(grown))
            left, right = (np.where(leaf, own, grown[side]) + size for side in ("left", "right"))
            asked = np.where(leaf, 0, grown["feature_idx"])
            parts = (asked, grown["num_threshold"], left, right, grown["value"])
            for column, part in zip(columns, parts, strict=True):
                column.append(part)
            root[k, action] = size
            size += len(grown)
            depth = max(depth, int(grown["depth"].max()))
    nodes = [torch.as_tensor(np.concatenate(column)) for column in columns]
    feature, threshold, below, above, worth = nodes
    return Forest(
        feature.long(), threshold.float(), below.long(), above.long(), worth.float(), root, baseline, max(depth, 1)
    )
