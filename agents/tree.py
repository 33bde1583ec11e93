"""A decision tree that stands in for a policy: few enough questions to be read, argued with and printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..contracts import Decisions, DiscretePolicy
from .categorical import draw, log_prob_of, renormalised

LEAF = -1  # in place of a column


@dataclass(frozen=True, eq=False)
class TreePolicy:
    """Each of K nodes asks whether a column is at most its threshold, or is a leaf with a distribution over actions."""

    kind: ClassVar[str] = "tree"
    column: Tensor  # (K,) int64; LEAF where the node asks nothing
    threshold: Tensor  # (K,)
    left: Tensor  # (K,) int64: the node for column <= threshold
    right: Tensor  # (K,) int64
    distribution: Tensor  # (K, A); rows sum to one
    depth: int

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return self.distribution.shape[1]

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int((self.column == LEAF).sum())

    def leaf(self, obs: Tensor) -> Tensor:
        """The leaf (B,) int64 that each observation (B, O) falls into."""
        node = torch.zeros(len(obs), dtype=torch.int64, device=obs.device)
        for _ in range(self.depth):
            column = self.column[node]
            value = obs.gather(1, column.clamp_min(0)[:, None])[:, 0]
            below = torch.where(value <= self.threshold[node], self.left[node], self.right[node])
            node = torch.where(column == LEAF, node, below)
        return node

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A) over the allowed actions."""
        return renormalised(self.distribution[self.leaf(obs)], allowed)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)

    def decided(self) -> TreePolicy:
        """The tree as it is printed: every leaf always gives its likeliest action."""
        likeliest = self.distribution.argmax(1)
        return replace(self, distribution=torch.nn.functional.one_hot(likeliest, self.noise_dim).float())

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"depth": self.depth}

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {name: getattr(self, name) for name in ("column", "threshold", "left", "right", "distribution")}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> TreePolicy:
        """The policy that was saved."""
        return cls(**weights, depth=int(str(settings["depth"])))


@dataclass(frozen=True)
class TreeConfig:
    """How large a tree may grow."""

    depth: int = 4  # questions on the way to a leaf, at most
    least: int = 50  # decisions that a leaf stands for, at least


def distil(
    decisions: Decisions, policy: DiscretePolicy, config: TreeConfig | None = None, *, seed: int = 0
) -> TreePolicy:
    """The tree nearest to `policy` on the logged states, by least squares of the probabilities of its actions.

    A leaf's distribution is the policy's mean over the states in it, so that nothing is promised that the policy would
    not do. ValueError where no decision was made; ImportError without scikit-learn (`posology[trees]`).
    """
    from sklearn.tree import DecisionTreeRegressor

    config = config or TreeConfig()
    obs = decisions.obs[:, : decisions.mask.shape[1]][decisions.mask]
    if not len(obs):
        raise ValueError("expected at least one decision to learn a tree from, got none")
    allowed = None if decisions.allowed is None else decisions.allowed[:, : decisions.mask.shape[1]][decisions.mask]
    least = min(config.least, max(1, len(obs) // 2))
    grown = DecisionTreeRegressor(max_depth=config.depth, min_samples_leaf=least, random_state=seed)
    tree = grown.fit(obs.numpy(), policy.probs(obs, allowed).numpy()).tree_
    asks = torch.from_numpy(tree.children_left.astype("int64")) >= 0
    distribution = torch.from_numpy(tree.value[:, :, 0].astype("float32")).clamp_min(0)
    return TreePolicy(
        column=torch.where(asks, torch.from_numpy(tree.feature.astype("int64")), LEAF),
        threshold=torch.from_numpy(tree.threshold.astype("float32")),
        left=torch.from_numpy(tree.children_left.astype("int64")).clamp_min(0),
        right=torch.from_numpy(tree.children_right.astype("int64")).clamp_min(0),
        distribution=distribution / distribution.sum(1, keepdim=True),
        depth=int(tree.max_depth),
    )


def fidelity(tree: TreePolicy, policy: DiscretePolicy, decisions: Decisions) -> float:
    """Share of logged decisions for which the tree's likeliest action is the policy's own."""
    keep = decisions.mask
    obs = decisions.obs[:, : keep.shape[1]][keep]
    allowed = None if decisions.allowed is None else decisions.allowed[:, : keep.shape[1]][keep]
    same = tree.probs(obs, allowed).argmax(1) == policy.probs(obs, allowed).argmax(1)
    return float(same.float().mean())
