"""The chosen policy as a tree, for the report: distilled on training stays, judged on held-out ones and by rollout."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch

from ..agents.tree import LEAF, TreeConfig, TreePolicy, distil, fidelity
from ..contracts import Decisions, DiscretePolicy, Spec
from ..envs.observation import Layout
from ..envs.observation_units import answers
from ..evaluation.report import Interval, TreeReport, TreeRow
from ..evaluation.true_value import rollout_value, value_difference
from ..trajectories.levels import dose_of_action
from .judge import Bench
from .judged import Judged

DEPTH = 4


def tree_report(one: Judged, bench: Bench) -> TreeReport | None:
    """The tree of one policy with what is left of the policy in it.

    None where there is nothing to print: a policy that is not over levels, one that sees more than the spec's columns,
    a run that keeps no training stays, or no scikit-learn (`posology[trees]`) to grow trees with.
    """
    layout = Layout(bench.simulator.spec, bench.simulator.horizon_hours)
    policy, train = one.target, bench.train
    if not isinstance(policy, DiscretePolicy) or train is None or bench.held_out.obs.shape[2] != layout.size:
        return None
    if importlib.util.find_spec("sklearn") is None:
        return None
    tree = distil(train, policy, TreeConfig(depth=DEPTH), seed=0).decided()
    value, difference, where = _worth(tree, policy, bench)
    return TreeReport(
        policy=one.name,
        depth=tree.depth,
        leaves=tree.leaves,
        fidelity=fidelity(tree, policy, bench.held_out),
        rows=tree_rows(tree, policy, layout, held_out=bench.held_out, train=train),
        value=value,
        difference=difference,
        measured_in=where,
    )


def tree_rows(
    tree: TreePolicy,
    policy: DiscretePolicy,
    layout: Layout,
    *,
    held_out: Decisions,
    train: Decisions,
    doses: Callable[[int], tuple[float, ...]] | None = None,
) -> tuple[TreeRow, ...]:
    """Every node in the order of reading; leaves with the share of held-out decisions and the policy's own choice.

    `doses` says what an action gives, where it is not the doses of levels.
    """
    obs, _ = _decided(held_out)
    shares = torch.bincount(tree.leaf(obs), minlength=len(tree.column)).double() / len(obs)
    seen, allowed = _decided(train)
    where, probs = tree.leaf(seen), policy.probs(seen, allowed).double()
    rows: list[TreeRow] = []

    def read(node: int, depth: int, answer: str) -> None:
        if int(tree.column[node]) == LEAF:
            action = tree.distribution[node].argmax()
            here = probs[where == node, action]
            rows.append(
                TreeRow(
                    depth=depth,
                    answer=answer,
                    doses=_doses(layout.spec, int(action)) if doses is None else doses(int(action)),
                    share=float(shares[node]),
                    probability=float(here.mean()) if len(here) else None,
                )
            )
            return
        rows.append(TreeRow(depth=depth, answer=answer))
        below, above = answers(layout, int(tree.column[node]), float(tree.threshold[node]))
        read(int(tree.left[node]), depth + 1, below)
        read(int(tree.right[node]), depth + 1, above)

    read(0, 0, "")
    return tuple(rows)


def _worth(tree: TreePolicy, policy: DiscretePolicy, bench: Bench) -> tuple[Interval, Interval, str]:
    """Value of the tree where it is best known, minus that of the policy on the same patients, and where that is."""
    config, known = bench.config, bench.truth is not None
    place = bench.truth if bench.truth is not None else bench.simulator
    stays = config.true_stays if known else config.simulator_stays
    own, other = (
        rollout_value(place, actor, stays, bench.seed, discount=config.discount, level=config.level)
        for actor in (tree, policy)
    )
    gap, low, high = value_difference(own, other, level=config.level)
    value = Interval(value=own.value, low=own.low, high=own.high)
    where = "known truth" if known else "learned simulator"
    return value, Interval(value=gap, low=low, high=high), where


def _decided(decisions: Decisions) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Observations (M, O) of decisions that were made, and what was allowed there."""
    steps = decisions.mask.shape[1]
    allowed = None if decisions.allowed is None else decisions.allowed[:, :steps][decisions.mask]
    return decisions.obs[:, :steps][decisions.mask], allowed


def _doses(spec: Spec, action: int) -> tuple[float, ...]:
    return tuple(round(dose, 6) for dose in dose_of_action(spec, torch.tensor([action]))[0].tolist())
