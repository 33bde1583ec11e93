"""The sections of a policy report: frozen numbers, see `report`.

Rates and shares are fractions 0..1, doses and measurements are in clinical units, values are in units of the reward.
A number that does not exist (0/0, an empty bin, an overflow) is null in JSON and None here, never NaN.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from .duration import duration

Verdict = Literal["supported", "weak", "not evaluable", "model-based"]
PolicyKind = Literal["clinician", "behavior", "baseline", "unpenalised", "penalised", "blend", "other"]


def _finite(value: Any) -> Any:
    """Non-finite numbers become None, so that the file stays JSON and the round trip exact."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
SIMULATED = "simulated_direct_method"  # the estimate that is the learned simulator's own word
Count = int | None  # of people, stays or events; None: under ten, or telling of a count that is (`small_cells`)


class Frozen(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Frozen):
    """A value with its 95 % interval."""

    value: Number
    low: Number = None
    high: Number = None


class Estimand(Frozen):
    """What every value in the report estimates; two reports compare only where this is equal."""

    reward: str  # e.g. "survival: 1 alive at discharge or horizon, 0 died"
    discount: float
    horizon_decisions: int
    interval_hours: float
    outcome: str  # what ends a stay, e.g. "death or discharge"
    text: str = ""  # one sentence for a reader; this and what follows is no part of the comparison
    value_name: str = "value"  # what a value is called, e.g. "survival"
    percent: bool = False  # values are probabilities and print as percentages
    irregular: bool = False  # decisions are made at visits, `interval_hours` apart at the least

    @property
    def rhythm(self) -> str:
        """When decisions are made, in words."""
        least = duration(self.interval_hours)
        return f"at visits {least} or more apart" if self.irregular else f"every {least}"


class CalibrationBin(Frozen):
    """Predicted against observed share among `count` cases."""

    predicted: Number
    observed: Number
    count: Count
    low: Number = None  # 95 % interval of the observed share
    high: Number = None


class ActionCalibration(Frozen):
    """One action: how often it was predicted and how often it was taken, among held-out decisions."""

    doses: tuple[float, ...]  # of each drug, in its unit
    predicted: Number
    observed: Number
    count: Count


class Bin(Frozen):
    """Decisions with a value from `low` up to `high`."""

    low: float
    high: float
    count: Count


class BehaviorReport(Frozen):
    """How well the fitted clinician describes held-out decisions; scores in nats per decision."""

    model: str
    decisions: int = 0
    nll: Number = None
    nll_marginal: Number = None  # of always predicting the training shares
    ece: Number = None
    auroc: Number = None
    temperature: Number = None
    least_propensity: Number = None  # of a logged action
    share_below_001: Number = None  # logged actions with fitted propensity under .01
    calibration: tuple[CalibrationBin, ...] = ()
    actions: tuple[ActionCalibration, ...] = ()
    propensities: tuple[Bin, ...] = ()  # of the logged actions


class EstimateReport(Frozen):
    """One off-policy estimate on held-out stays."""

    value: Number
    low: Number
    high: Number
    effective_sample_size: Number
    mean_weight: Number
    verdict: Verdict
    max_weight_share: Number = None
    reasons: tuple[str, ...] = ()  # why the verdict is not "supported"
    difference: Interval | None = None  # value minus the clinicians' observed value, paired by patient
    error: Number = None  # value minus true value
    covered: bool | None = None  # the interval holds the true value
    weighted_stays: Count = None  # stays that keep any weight at the end
    effective_sample_sizes: tuple[Number, ...] = ()  # at each decision time
    verdicts: tuple[Verdict, ...] = ()  # of each decision time on its own
    simulator_gap: Interval | None = None  # what the simulator says of the same patients, minus this; paired


class ConstraintReport(Frozen):
    """How often one safety limit is exceeded."""

    rate: Number  # share of decisions
    low: Number
    high: Number
    limit: float
    unit: str = ""
    label: str = ""  # e.g. "norepinephrine over 0.20 ug/kg/min"
    measured_in: str = ""  # e.g. "held-out records", "learned simulator", "known truth"


class PolicyReport(Frozen):
    """Everything known about one policy."""

    label: str
    kind: PolicyKind
    description: str = ""
    estimates: dict[str, EstimateReport] = {}
    observed_value: Interval | None = None  # mean return of held-out stays; of the clinicians only
    simulator_value: Interval | None = None  # by rollout in the learned simulator: a claim
    shaped_value: Interval | None = None  # the same claim in the shaped reward that policies learned by, if they did
    true_value: Interval | None = None  # by rollout in the known truth
    true_difference: Interval | None = None  # true value minus the true clinician's, on common random numbers
    worst_tenth: Interval | None = None  # mean return of the worst tenth of stays, in the known truth or the simulator
    constraints: dict[str, ConstraintReport] = {}
    actions: tuple[tuple[float, ...], ...] = ()  # share of each (first drug level, second drug level) on logged states
    agreement: Number = None  # share of logged decisions on which the most likely action is the clinician's
    kappa: Number = None  # that agreement beyond chance (Cohen 1960)
    unsupported: Number = None  # share of probability on actions with behaviour propensity under .01
    second_value: Interval | None = None  # observed, plus the gain in a second simulator, in which nothing was trained
    base: str | None = None  # of a blend: the name of the policy that is mixed in
    share: Number = None  # of a blend: the share of decisions that follow it


class Candidate(Frozen):
    """One penalty tried while the policy was selected."""

    penalty: float
    unsupported: Number
    claimed: Number = None
    second: Number = None  # worth in a second simulator, by which it was chosen
    true: Number = None  # known truth; looked at after the choice, never used for it
    chosen: bool = False


class Selection(Frozen):
    """How the penalty was chosen."""

    rule: str
    candidates: tuple[Candidate, ...]
    split: str = "tuning"


class FeatureError(Frozen):
    """Prediction error of one model for one feature on held-out stays, values scaled by the reference range."""

    feature: str
    model: str
    rmse: Number
    nll: Number = None
    count: int = 0
    decisions: int = 1  # how many decisions ahead
    crps: Number = None  # continuous ranked probability score, in the same scale; lower is better
    within_50: Number = None  # share of measured values inside the central 50 % of the forecast
    within_95: Number = None
    transforms: tuple[Number, ...] = ()  # share of probability integral transforms in ten equal bins; .1 each at best


class ErrorComparison(Frozen):
    """Paired difference learned model minus `against`; below 0 favours the learned model."""

    metric: str
    against: str
    difference: Number
    low: Number
    high: Number


class SimulatorReport(Frozen):
    """Fidelity of the learned patient on held-out stays."""

    kind: str
    members: int = 1
    model: str = ""  # which of the models in the rows is the one that policies were trained in
    one_step: tuple[FeatureError, ...] = ()
    open_loop: tuple[FeatureError, ...] = ()
    comparisons: tuple[ErrorComparison, ...] = ()
    outcome_calibration: tuple[CalibrationBin, ...] = ()
    outcome_scores: dict[str, Number] = {}  # e.g. {"AUROC": .81, "Brier score": .11}
    notes: tuple[str, ...] = ()


class Ranking(Frozen):
    """Whether one way to score policies preserves their true order: the question that a simulator is built for."""

    score: str  # "simulator claim" or an estimator's name
    policies: int  # how many have both a score and a true value
    spearman: Number
    kendall: Number
    regret: Number  # true value of the best policy minus that of the one scored highest
    mean_absolute_error: Number
    regret_at_3: Number = None  # ... minus the best of the three scored highest
    false_alarms: Number = None  # share of policies truly no better than the clinicians that score above them
    missed: Number = None  # share of better ones that do not


class Truth(Frozen):
    """Where true values come from; values pair across runs only where this is equal."""

    patients: int
    seed: int
    model: str
    text: str = ""


class Provenance(Frozen):
    """What is needed to run it again."""

    version: str
    commit: str = ""
    python: str = ""
    packages: dict[str, str] = {}
    seed: int = 0
    device: str = "cpu"
    seconds: dict[str, float] = {}
    data: str = ""
    platform: str = ""
