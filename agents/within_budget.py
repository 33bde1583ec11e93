"""Which of the policies met at the end of a training keeps its budgets: tried on fresh stays, not believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ..contracts import Policy, Treatment
from ..trajectories.rollout import rollout


def best_within(
    treatment: Treatment,
    candidates: Sequence[Tensor],
    policy_of: Callable[[Tensor], Policy],
    columns: Tensor,
    budgets: Tensor,
    *,
    stays: int,
    seed: int,
) -> Tensor:
    """The weights of most reward among those whose costs stay within, else those that are least over.

    Each of `candidates` treats the same `stays` fresh patients, seeded from `seed` on. A candidate is within where the
    mean cost of each of `columns` (J,), one standard error added, is at most its budget (J,): what is chosen for its
    luck would not hold. ValueError without a candidate.
    """
    if not candidates:
        raise ValueError("expected at least one candidate to choose from, got none")
    found = []
    for weights in candidates:
        done = rollout(treatment, policy_of(weights), stays, seed=seed)
        costs = done.costs.sum(1)[:, columns.cpu()].double()
        high = costs.mean(0) + costs.std(0) / stays**0.5
        over = float((high / budgets - 1).max())
        found.append((over <= 0, float(done.returns.mean()) if over <= 0 else -over))
    best = max(range(len(found)), key=lambda number: found[number])
    return candidates[best]
