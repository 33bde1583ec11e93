"""Exact dynamic programming on bare arrays: values by a linear solve, by backward induction, and policy iteration.

Sizes: S states in care, A actions. A transition (S, A, S + 2) float64 leads to the states in care, then to discharge
and to death. Values are undiscounted (Puterman 1994, Markov Decision Processes, chapter 7: expected total reward).
"""

from __future__ import annotations

import torch
from torch import Tensor

CONTINUES = 1 - 1e-9  # per decision: a stay that never ends is worth nothing, instead of making the solve singular
_TIE = 1e-10  # an action replaces another only where it is better by more: a loop never displaces an exit


def chain(transition: Tensor, probs: Tensor) -> Tensor:
    """Transition (S, S + 2) between states under the policy `probs` (S, A)."""
    moves: Tensor = torch.einsum("sa,san->sn", probs, transition)
    return moves


def solve_values(moves: Tensor, ends: Tensor, each: Tensor | None = None) -> Tensor:
    """Values (S,) of a chain (S, S + 2): what its ends (2,) are worth, plus `each` (S,) per decision made."""
    states = len(moves)
    gained = moves[:, states:] @ ends + (0.0 if each is None else each)
    care = torch.eye(states, dtype=moves.dtype) - CONTINUES * moves[:, :states]
    solved: Tensor = torch.linalg.solve(care, gained)
    return solved


def action_values(transition: Tensor, values: Tensor, ends: Tensor) -> Tensor:
    """Values (S, A) of each action, followed by states worth `values` (S,) or ends worth (2,)."""
    return torch.matmul(transition, torch.cat([CONTINUES * values, ends]))


def best_response(transition: Tensor, admissible: Tensor, ends: Tensor, *, rounds: int = 200) -> tuple[Tensor, Tensor]:
    """The optimal stationary actions (S,) int64 and their values (S,), by policy iteration (Howard 1960).

    RuntimeError where `rounds` do not suffice.
    """
    uniform = admissible.double() / admissible.sum(1, keepdim=True)
    values = solve_values(chain(transition, uniform), ends)
    action: Tensor | None = None
    rows = torch.arange(len(transition))
    for _ in range(rounds):
        found = action_values(transition, values, ends).masked_fill(~admissible, -torch.inf)
        greedy = found.argmax(1)
        if action is not None:
            better = found[rows, greedy] > found[rows, action] + _TIE
            if not bool(better.any()):
                return action, values
            greedy = torch.where(better, greedy, action)
        action = greedy
        values = solve_values(transition[rows, action], ends)
    raise RuntimeError(f"policy iteration did not settle in {rounds} rounds: are all rows of the transition stochastic")
