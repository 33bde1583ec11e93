"""Isotonic calibration: each action's probability becomes the share with which it was really taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Isotonic:
    """A rising curve for each action, straight between its points and level outside them; padded by the last point.

    Zadrozny & Elkan (2002), "Transforming classifier scores into accurate multiclass probability estimates".
    """

    given: Tensor  # (A, K) predicted, rising
    found: Tensor  # (A, K) observed, rising

    def __call__(self, probs: Tensor, least: Tensor) -> Tensor:
        """Calibrated probabilities (B, A) of predicted ones (B, A), none under `least` (A,), rows summing to one."""
        place = torch.searchsorted(self.given, probs.T.contiguous()).clamp(1, self.given.shape[1] - 1)
        low, high = self.given.gather(1, place - 1), self.given.gather(1, place)
        below, above = self.found.gather(1, place - 1), self.found.gather(1, place)
        along = ((probs.T - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        curved = torch.maximum((below + along * (above - below)).T, least)
        return curved / curved.sum(1, keepdim=True)

    def to(self, device: torch.device | str) -> Isotonic:
        """The same curves on `device`."""
        return Isotonic(self.given.to(device), self.found.to(device))

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        return {"isotonic.given": self.given, "isotonic.found": self.found}

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Isotonic:
        """The curves that were saved."""
        return cls(weights["isotonic.given"], weights["isotonic.found"])


def fit_isotonic(probs: Tensor, action: Tensor) -> Isotonic:
    """Curves from predicted probabilities (M, A) and what was done (M,), by pooling adjacent violators.

    Each pool of equal shares is drawn as one point at its mean prediction.
    """
    curves = [_curve(probs[:, a].double().numpy(), (action == a).numpy()) for a in range(probs.shape[1])]
    longest = max(2, *(len(given) for given, _ in curves))
    padded = [np.stack([np.pad(part, (0, longest - len(part)), mode="edge") for part in curve]) for curve in curves]
    both = torch.as_tensor(np.stack(padded, 1), dtype=torch.float32)
    return Isotonic(both[0].contiguous(), both[1].contiguous())


def _curve(predicted: np.ndarray, happened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(predicted, kind="stable")
    fitted = optimize.isotonic_regression(happened[order].astype(np.float64))
    starts = fitted.blocks[:-1]
    sizes = np.diff(fitted.blocks)
    return np.add.reduceat(predicted[order], starts) / sizes, fitted.x[starts]
