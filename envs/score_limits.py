"""Constraints by a score of each action, learned from data: support, risk, uncertainty and dead ends.

The score is a function of the observation, as a policy has it, so nothing hidden can enter. It comes from whoever
learned it: a fitted clinician's propensities, the disagreement of critics, a critic of death.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import DiscretePolicy, PatientState, Treatment

Score = Callable[[Tensor], Tensor]
"""From observations (B, O) to one number per action (B, A)."""


@dataclass(frozen=True, eq=False)
class ScoreLimit:
    """Actions whose score is above `limit` are forbidden, but for the least one, so that something always remains.

    The cost is the excess of the score. It speaks of the treatment's discrete actions: a dose is that of its level.
    """

    name: str
    unit: str
    limit: float
    score: Score
    treatment: Treatment  # that observes, and encodes doses
    hard: bool = True

    def __post_init__(self) -> None:
        if self.treatment.actions is None:
            raise ValueError(
                f"{self.name}: scores are of discrete actions, got continuous ones: choose action='levels'"
            )

    def table(self, state: PatientState) -> Tensor:
        """Whether each action may be taken (B, A) bool."""
        score = self._scores(state)
        return (score <= self.limit) | (score == score.min(1, keepdim=True).values)

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """Excess (B,) of the score; 0 where permitted."""
        score = self._scores(before).gather(1, self._action(before, dose))[:, 0]
        return torch.where(self.permits(before, dose, hours), 0.0, score - self.limit)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Whether each dose (B, U) may be given (B,) bool."""
        return self.table(state).gather(1, self._action(state, dose))[:, 0]

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose (B, U), or where it is forbidden that of the action with the least score."""
        least = self.treatment.decode(state, self._scores(state).argmin(1))
        return torch.where(self.permits(state, dose, hours)[:, None], dose, least)

    def _scores(self, state: PatientState) -> Tensor:
        return self.score(self.treatment.observe(state))

    def _action(self, state: PatientState, dose: Tensor) -> Tensor:
        return self.treatment.encode(state, dose)[:, None]


def behavior_support(treatment: Treatment, behavior: DiscretePolicy, least: float = 0.05) -> ScoreLimit:
    """Only actions that clinicians take with a probability of at least `least` (their likeliest one always).

    The condition of batch-constrained learning (Fujimoto et al. 2019, arXiv 1812.02900). ValueError unless `least` is
    between 0 and 1.
    """
    if not 0 < least < 1:
        raise ValueError(f"least: expected a probability between 0 and 1, got {least}")

    def rarity(obs: Tensor) -> Tensor:
        return 1 - behavior.probs(obs, None)

    return ScoreLimit(f"support of {least:g}", "1 - probability", 1 - least, rarity, treatment)


def dead_end(treatment: Treatment, death: Score, limit: float = 0.25) -> ScoreLimit:
    """No action after which the probability of death, whatever is done then, is above `limit`.

    Dead-end discovery (Fatemi et al. 2021, arXiv 2110.04186), whose Q_D is minus this probability; the least deadly
    action always remains.
    """
    return ScoreLimit("dead ends", "probability of death", limit, death, treatment)


def tail_risk(treatment: Treatment, shortfall: Score, limit: float) -> ScoreLimit:
    """No action whose expected loss in the worst share of cases, as a distributional critic says, is above `limit`."""
    return ScoreLimit("tail risk", "expected loss in the tail", limit, shortfall, treatment)
