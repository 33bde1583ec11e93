"""k nearest neighbours: what was done for the most similar patients; a check on models that generalise more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

_BLOCK = 2048  # rows asked about at once
_MOST = 50_000  # decisions kept
_SAVED = ("obs", "action", "center", "gain", "prior")


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Log shares of the actions among the k nearest decisions, in standardised observations.

    Holds the training decisions themselves: never share its saved form where those may not be shared.
    """

    kind: ClassVar[str] = "nearest"
    obs: Tensor  # (M, O) standardised
    action: Tensor  # (M,) int64
    center: Tensor  # (O,)
    gain: Tensor  # (O,)
    prior: Tensor  # (A,) positive: what is added to the counts
    neighbours: int

    def __call__(self, obs: Tensor) -> Tensor:
        """Logits (B, A)."""
        return torch.cat([self._block(rows) for rows in torch.split((obs - self.center) * self.gain, _BLOCK)])

    def _block(self, scaled: Tensor) -> Tensor:
        nearest = torch.cdist(scaled, self.obs).topk(self.neighbours, largest=False).indices
        counts = torch.nn.functional.one_hot(self.action[nearest], len(self.prior)).sum(1)
        return (counts + self.prior).log()

    def to(self, device: torch.device | str) -> Neighbours:
        """The same neighbours on `device`."""
        obs, action, center, gain, prior = (x.to(device) for x in self.weights().values())
        return Neighbours(obs, action, center, gain, prior, self.neighbours)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {"neighbours": self.neighbours}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """Named tensors."""
        return {f"{prefix}{name}": x for name, x in vars(self).items() if isinstance(x, Tensor)}

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor], prefix: str) -> Neighbours:
        """What was saved."""
        obs, action, center, gain, prior = (weights[f"{prefix}{name}"] for name in _SAVED)
        return cls(obs, action, center, gain, prior, cast(int, settings["neighbours"]))


def fit_nearest(obs: Tensor, action: Tensor, base: Tensor, neighbours: int, seed: int) -> Neighbours:
    """Neighbours among the decisions (M, O), (M,), at most 50,000 of them; a base rate counts as one neighbour more."""
    if len(obs) > _MOST:
        kept = torch.randperm(len(obs), generator=torch.Generator().manual_seed(seed))[:_MOST]
        obs, action = obs[kept], action[kept]
    deviation = obs.std(0, correction=0)
    gain = torch.where(deviation > 1e-4, 1 / deviation.clamp_min(1e-4), 0.0)
    center = obs.mean(0)
    return Neighbours((obs - center) * gain, action, center, gain, base.clone(), min(neighbours, len(obs)))
