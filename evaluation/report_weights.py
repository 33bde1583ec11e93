"""Section of a report on how far importance weights scatter, as a known truth tells it."""

from __future__ import annotations

from .report_parts import Frozen, Number


class ExpectedReport(Frozen):
    """Of the weights of one policy on stays logged under the clinicians, with their own probabilities."""

    shares: tuple[Number, ...]  # expected effective sample per logged stay after each decision: E[w]^2 / E[w^2]
    mean: Number = 1.0  # mean weight at the end; less than 1 where clinicians never do what the policy does
    exact: bool = False  # by dynamic programming, else by particles
    error: Number = 0.0  # standard error of the mean square at the end, as a share of it
    bounded: bool | None = None  # the mean square stays finite however long stays last; None: not known
