"""What a behaviour policy computes its probabilities from: networks, trees or neighbours, saved as plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol, Self, cast

import torch
from torch import Tensor

from ..mlp import MLP, Activation
from .nearest import Neighbours
from .trees import Forest


class Scores(Protocol):
    """Logits (B, A) of observations (B, O)."""

    kind: ClassVar[str]

    def __call__(self, obs: Tensor, /) -> Tensor: ...
    def to(self, device: torch.device | str) -> Self: ...
    def settings(self) -> dict[str, object]: ...
    def weights(self, prefix: str = "") -> dict[str, Tensor]: ...


def _restore_network(settings: Mapping[str, object], weights: Mapping[str, Tensor], prefix: str) -> Scores:
    return MLP.from_weights(weights, cast(Activation, settings["activation"]), prefix)


_KINDS: dict[str, Callable[[Mapping[str, object], Mapping[str, Tensor], str], Scores]] = {
    MLP.kind: _restore_network,
    Forest.kind: Forest.restore,
    Neighbours.kind: Neighbours.restore,
}


def restore_scores(settings: Mapping[str, object], weights: Mapping[str, Tensor], prefix: str) -> Scores:
    """The scores whose `settings()` and `weights(prefix)` these are; KeyError where something is missing."""
    return _KINDS[cast(str, settings["kind"])](settings, weights, prefix)
