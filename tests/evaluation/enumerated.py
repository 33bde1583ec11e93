"""Small decision processes, every trajectory repeated as often as its probability says: means are expectations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

HORIZON = 3
STATES = 2
END = 2


@dataclass(frozen=True)
class Process:
    """Two states, two actions, an end: tables over fourths and halves, so that trajectories can be repeated exactly."""

    behavior: np.ndarray  # (2, 2) fourths
    target: np.ndarray  # (2, 2)
    move: np.ndarray  # (2, 2, 3) halves; the third state is the end
    reward: np.ndarray  # (2, 2, 3)

    def critic(self, discount: float) -> tuple[np.ndarray, np.ndarray]:
        """Exact q (T, 2, 2) and v (T + 1, 3) of the target policy."""
        v, q = np.zeros((HORIZON + 1, 3)), np.zeros((HORIZON, 2, 2))
        for t in reversed(range(HORIZON)):
            q[t] = (self.move * (self.reward + discount * v[t + 1])).sum(2)
            v[t, :2] = (self.target * q[t]).sum(1)
        return q, v

    def value(self, discount: float) -> float:
        return float(self.critic(discount)[1][0, :2].mean())

    def occupancy(self, policy: np.ndarray) -> np.ndarray:
        """Probability (T, 3) of each state, the end among them, at each decision time."""
        spread = np.zeros((HORIZON, 3))
        spread[0, :2] = 0.5
        for t in range(1, HORIZON):
            spread[t] = np.einsum("s,sa,sae->e", spread[t - 1, :2], policy, self.move)
            spread[t, END] += spread[t - 1, END]
        return spread

    def cohort(self, discount: float = 1.0) -> dict[str, np.ndarray]:
        """All trajectories: reward, log_ratio, mask, state, action, log_behavior, exact q and v; rubbish as padding."""
        found: dict[str, list[np.ndarray]] = {}
        q, v = self.critic(discount)
        for start in range(2):
            for path in itertools.product(range(2), range(3), repeat=HORIZON):
                row, times = self._row(start, path, q, v)
                for name, values in row.items():
                    found.setdefault(name, []).extend([values] * times)
        return {name: np.array(values) for name, values in found.items()}

    def _row(self, start, path, q, v) -> tuple[dict[str, np.ndarray], int]:
        row = {key: np.full(HORIZON, 99.0) for key in ("reward", "log_ratio", "q", "action", "log_behavior", "state")}
        row["mask"], row["v"] = np.zeros(HORIZON, bool), np.full(HORIZON + 1, 99.0)
        state, chance = start, 1.0
        for t in range(HORIZON):
            action, after = path[2 * t], path[2 * t + 1]
            if state == END:  # ended: count the path once
                chance *= action == 0 and after == 0
                continue
            chance *= self.behavior[state, action] * self.move[state, action, after]
            row["reward"][t], row["mask"][t], row["state"][t] = self.reward[state, action, after], True, state
            row["action"][t], row["q"][t], row["v"][t] = action, q[t, state, action], v[t, state]
            with np.errstate(divide="ignore"):
                row["log_behavior"][t] = np.log(self.behavior[state, action])
                row["log_ratio"][t] = np.log(self.target[state, action]) - row["log_behavior"][t]
            state = after
        return row, round(chance * 8**HORIZON)


def process(seed: int, deterministic: bool = False) -> Process:
    rng = np.random.default_rng(seed)
    first = rng.integers(1, 4, (2, 1)) / 4
    target = rng.dirichlet((1, 1), 2)
    moves = np.array([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]])
    return Process(
        behavior=np.hstack((first, 1 - first)),
        target=np.eye(2)[rng.integers(0, 2, 2)] if deterministic else target,
        move=moves[rng.permutation(5)[:4].reshape(2, 2)],
        reward=rng.normal(-1, 2, (2, 2, 3)),
    )
