"""What the page shows of a policy as a tree: its questions in order, and the dose that each way leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .report import Report
from .style import Values, opening, percent, plain, unit


@dataclass(frozen=True)
class TreeLine:
    """One node as a line of the table."""

    indent: int  # steps to the right
    answer: str
    doses: tuple[str, ...]  # of a leaf, one per drug
    share: str
    probability: str


@dataclass(frozen=True)
class TreeTable:
    """The tree of a report in words."""

    title: str
    drugs: tuple[str, ...]
    lines: tuple[TreeLine, ...]
    facts: tuple[tuple[str, str], ...]  # name and number


def tree_table(report: Report) -> TreeTable | None:
    """The tree with what is left of the policy in it; None where the run has none."""
    tree = report.tree
    if tree is None:
        return None
    drugs = report.cohort.drugs
    lines = [
        TreeLine(
            max(row.depth - 1, 0),
            _typeset(row.answer or "everybody"),
            tuple(f"{plain(dose)} {unit(drug.unit)}".strip() for dose, drug in zip(row.doses, drugs, strict=False)),
            percent(row.share) if row.doses else "",
            percent(row.probability, 0) if row.doses else "",
        )
        for row in tree.rows
        if row.depth or row.doses
    ]
    policy = report.policies.get(tree.policy)
    return TreeTable(
        title=policy.label if policy else tree.policy,
        drugs=tuple(drug.label or drug.name for drug in drugs),
        lines=tuple(lines),
        facts=_facts(report),
    )


def _typeset(answer: str) -> str:
    """A sentence's start, units as they are set, and numbers that stay with their units."""
    return re.sub(r"([≤>]) (\S+) (?=\S+$)", "\\1\u00a0\\2\u00a0", opening(answer).replace("ug/", "µg/"))


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    tree, values = report.tree, Values.of(report.estimand)
    assert tree is not None
    facts = [
        ("Questions to a dose, at most", str(tree.depth)),
        ("Ways through it", str(tree.leaves)),
        ("Same dose as the policy, held-out decisions", percent(tree.fidelity)),
    ]
    where = f" in the {tree.measured_in}" if tree.measured_in else ""
    if tree.value is not None:
        facts.append((f"{opening(values.name)} of the tree{where}", values.whole(tree.value)))
    if tree.difference is not None and tree.difference.value is not None:
        d = tree.difference
        span = "" if d.low is None or d.high is None else f" ({values.signed(d.low)} to {values.signed(d.high)})"
        facts.append(
            ("Minus the policy itself", f"{values.signed(d.value)}{span}{' points' if values.percent else ''}")
        )
    return tuple(facts)
