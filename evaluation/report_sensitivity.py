"""The section of a report that asks how strong a hidden cause would have to be to undo a claimed advantage."""

from __future__ import annotations

from typing import Literal

from .report_parts import Frozen, Number, Verdict

Role = Literal["chosen", "boldest"]


class GammaPoint(Frozen):
    """Bounds on a policy's value where a hidden cause moves the odds of the decision in doubt by up to `gamma`."""

    gamma: float
    lower: Number
    upper: Number
    low: Number  # 95 % interval: from that of the lower bound to that of the upper one
    high: Number
    gap_low: Number = None  # the same of the difference from the clinicians, paired by patient
    gap_high: Number = None


class GammaCurve(Frozen):
    """Bounds at growing strengths of confounding, and where the difference from the clinicians tips."""

    points: tuple[GammaPoint, ...] = ()  # at gamma 1 the estimate itself
    tipping: Number = None  # least gamma at which the bound reaches the clinicians; None: not even at `most`
    tipping_by_chance: Number = None  # ... at which its 95 % interval does, paired by patient; 1: already by chance
    verdict: Verdict = "not evaluable"
    reasons: tuple[str, ...] = ()


class PolicySensitivity(Frozen):
    """One policy under a confounded decision."""

    policy: str  # its name in the report
    role: Role
    kept: float = 0.0  # share of decisions that a blend leaves to the clinicians: not in doubt
    marginal: GammaCurve  # gamma: odds given what is hidden, over those of the fitted propensity, either way
    single: GammaCurve | None = None  # gamma: odds in one hidden state over those in another (Namkoong et al. 2020)


class KnownCause(Frozen):
    """Something on record, and how much not knowing it would change the odds of the decision in doubt."""

    name: str
    label: str = ""
    factor: Number  # that the change of the odds does not exceed in 95 % of stays


class SensitivityReport(Frozen):
    """How the values of the policies that matter depend on nothing hidden having moved one decision."""

    clinicians: Number  # their observed value, which no hidden cause can change
    policies: tuple[PolicySensitivity, ...] = ()
    known: tuple[KnownCause, ...] = ()  # for scale, the strongest first
    decision: int = 0  # the one in doubt; the others are taken to follow the record
    most: float = 100.0  # the largest gamma that a tipping point was looked for at
    hidden: Number = None  # of simulated cohorts: how strongly all doses follow what the record does not show
