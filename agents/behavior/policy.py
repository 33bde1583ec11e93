"""The fitted clinician: calibrated probabilities of what was really done, the denominator of importance weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from ..categorical import draw, log_prob_of
from .isotonic import Isotonic
from .scores import Scores, restore_scores


@dataclass(frozen=True, eq=False)
class BehaviorPolicy:
    """p(a | o) = (1 - share) * mean over members of softmax(scores / temperature) + share * base, then isotonic.

    `base` gives every action some probability, so no propensity degenerates. Masks are ignored: clinicians did take
    actions that a policy may not.
    """

    kind: ClassVar[str] = "behavior"
    members: tuple[Scores, ...]  # each O columns in, A logits out
    base: Tensor  # (A,), positive, sums to one
    temperature: float
    share: float  # of `base`
    isotonic: Isotonic | None = None

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0 < self.share <= 1 or (self.base <= 0).any():
            raise ValueError(
                "expected temperature > 0, 0 < share <= 1 and a positive base, "
                f"got {self.temperature}, {self.share}, {self.base}"
            )

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return len(self.base)

    @torch.no_grad()
    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A), all positive; `allowed` is ignored."""
        members = torch.stack([torch.softmax(scores(obs) / self.temperature, 1) for scores in self.members])
        mixed = (1 - self.share) * members.mean(0) + self.share * self.base
        return mixed if self.isotonic is None else self.isotonic(mixed, self.share * self.base)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64 from standard normals (B, A)."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,) of `action` (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)

    def to(self, device: torch.device | str) -> BehaviorPolicy:
        """The same policy on `device`."""
        members = tuple(scores.to(device) for scores in self.members)
        curve = None if self.isotonic is None else self.isotonic.to(device)
        return replace(self, members=members, base=self.base.to(device), isotonic=curve)

    def settings(self) -> dict[str, object]:
        """What is saved beside the weights."""
        return {
            "members": [{"kind": scores.kind, **scores.settings()} for scores in self.members],
            "temperature": self.temperature,
            "share": self.share,
            "isotonic": self.isotonic is not None,
        }

    def weights(self) -> dict[str, Tensor]:
        """Named tensors."""
        named = {"base": self.base}
        for k, scores in enumerate(self.members):
            named |= scores.weights(f"{k}.")
        return named if self.isotonic is None else named | self.isotonic.weights()

    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> BehaviorPolicy:
        """The policy that was saved."""
        saved = cast("list[dict[str, object]]", settings["members"])
        members = tuple(restore_scores(one, weights, f"{k}.") for k, one in enumerate(saved))
        curve = Isotonic.from_weights(weights) if settings["isotonic"] else None
        temperature, share = cast(float, settings["temperature"]), cast(float, settings["share"])
        return cls(members, weights["base"], temperature, share, curve)
