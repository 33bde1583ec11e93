"""The section of a report that puts a policy into a few questions."""

from __future__ import annotations

from .report_parts import Frozen, Interval, Number


class TreeRow(Frozen):
    """One node: the answer that leads to it, and where nothing more is asked, the dose."""

    depth: int  # questions before it
    answer: str  # in clinical units; empty at the root
    doses: tuple[float, ...] = ()  # of a leaf, one per drug, in its unit
    share: Number = None  # of held-out decisions that fall into a leaf
    probability: Number = None  # that the policy gives the leaf's dose, mean over training states in it


class TreeReport(Frozen):
    """A learned policy distilled to a tree, and how much of the policy is left in it."""

    policy: str  # its name in the report
    depth: int  # most questions on the way to a dose
    leaves: int
    fidelity: Number  # share of held-out decisions with the policy's own likeliest dose
    rows: tuple[TreeRow, ...] = ()  # from the root on, each node before what follows it
    value: Interval | None = None  # of the tree as printed, in the known truth, else in the simulator
    difference: Interval | None = None  # from the policy itself there, on common random numbers
    measured_in: str = ""
