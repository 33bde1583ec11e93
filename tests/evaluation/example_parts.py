"""Parts of the example reports: policies, estimates, simulator; numbers made up but of realistic size."""

from __future__ import annotations

import math

import numpy as np
from posology.evaluation.report import (
    SIMULATED,
    BehaviorReport,
    CalibrationBin,
    ConstraintReport,
    DoseLevel,
    DrugSummary,
    ErrorComparison,
    Estimand,
    EstimateReport,
    ExternalReport,
    Fact,
    FeatureError,
    FeatureSummary,
    Interval,
    PolicyReport,
    Provenance,
    SimulatorReport,
    SubgroupReport,
    TaskReport,
)

ESTIMATORS = [
    "importance_sampling",
    "per_decision_importance_sampling",
    "weighted_importance_sampling",
    "weighted_per_decision_importance_sampling",
]
FLUID = DrugSummary(
    name="fluid",
    label="IV fluid",
    unit="mL/h",
    given=0.71,
    median_when_given=142,
    levels=(0, 37.5, 150, 375, 650),
    cuts=(12.5, 75, 250, 500),
)
NOREPINEPHRINE = DrugSummary(
    name="norepinephrine",
    label="Norepinephrine",
    unit="ug/kg/min",
    given=0.46,
    median_when_given=0.09,
    levels=(0, 0.03, 0.07, 0.14, 0.3),
    cuts=(0, 0.05, 0.1, 0.2),
)
FEATURES = [
    ("map", "Mean arterial pressure", "mmHg", 0.99, 71.2, 12.1, 52, 93, 3),
    ("heart_rate", "Heart rate", "1/min", 0.99, 96.4, 18.0, 68, 128, 0),
    ("irregularity", "Pulse irregularity", "1", 0.97, 0.11, 0.08, 0.02, 0.28, 0),
    ("spo2", "Oxygen saturation", "%", 0.98, 95.6, 3.1, 90, 99, 11),
    ("respiratory_rate", "Respiratory rate", "1/min", 0.98, 21.7, 5.2, 14, 31, 0),
    ("temperature", "Temperature", "degC", 0.62, 37.7, 0.8, 36.3, 39.1, 2),
    ("urine", "Urine output", "mL/h", 0.9, 58, 44, 6, 143, 0),
    ("lactate", "Lactate", "mmol/L", 0.31, 3.1, 2.4, 0.9, 7.9, 1),
    ("sofa", "SOFA score", "points", 0.17, 8.2, 3.6, 3, 15, 0),
    ("creatinine", "Creatinine", "mg/dL", 0.19, 1.7, 1.2, 0.6, 4.1, 0),
    ("wbc", "White cells", "10^9/L", 0.18, 14.9, 6.8, 5.2, 27.4, 0),
    ("film", "Film opacity", "1", 0.08, 0.34, 0.21, 0.04, 0.71, 0),
]


def estimate(value, half, ess, *, true=None, mean_weight=1.0, share=0.02):
    """One estimate with the verdict that its diagnostics earn."""
    if ess < 50 or share > 0.1 or not 0.5 < mean_weight < 2:
        verdict, reasons = "not evaluable", (f"effective sample size {ess:.0f} is under 50",)
    elif ess < 100 or share > 0.05:
        verdict, reasons = "weak", (f"effective sample size {ess:.0f} is under 100",)
    else:
        verdict, reasons = "supported", ()
    low, high = value - half, value + half
    return EstimateReport(
        value=value,
        low=low,
        high=high,
        effective_sample_size=ess,
        mean_weight=mean_weight,
        max_weight_share=share,
        verdict=verdict,
        reasons=reasons,
        difference=Interval(value=value - 0.806, low=value - 0.806 - half, high=value - 0.806 + half),
        error=None if true is None else value - true,
        covered=None if true is None else low <= true <= high,
    )


def estimates(value, ess, true, seed, claim):
    """All four estimators around one value, the ordinary ones wider, and the simulator's own claim."""
    rng = np.random.default_rng(seed)
    out = {}
    for i, name in enumerate(ESTIMATORS):
        half = (0.6 if i < 2 else 0.4) / math.sqrt(ess)
        out[name] = estimate(
            value + half * rng.normal() / 2,
            half,
            ess * (1 if i != 3 else 1.02),
            true=true,
            mean_weight=1.0 if ess > 300 else 0.86 if ess > 80 else 0.31,
            share=min(0.9, 6 / ess),
        )
    return {
        **{n: e.model_copy(update={"simulator_gap": _gap(claim - e.value, 0.03)}) for n, e in out.items()},
        SIMULATED: EstimateReport(
            value=claim,
            low=claim - 0.014,
            high=claim + 0.014,
            effective_sample_size=625,
            mean_weight=1,
            verdict="model-based",
            reasons=("rests on a fitted model",),
            difference=_gap(claim - 0.818, 0.009),
        ),
    }


def _gap(value, half):
    return Interval(value=value, low=value - half, high=value + half)


def shares(fluid, pressor):
    """A 5 x 5 share matrix around mean levels."""
    grid = np.exp(
        -((np.arange(5)[:, None] - fluid) ** 2) / 2.2 - ((np.arange(5)[None] - pressor) ** 2) / 1.4,
    )
    return tuple(tuple(float(x) for x in row) for row in grid / grid.sum())


def violations(pressor, fluid, where="held-out records"):
    return {
        "norepinephrine": ConstraintReport(
            rate=pressor,
            low=max(0, pressor * 0.85 - 0.002),
            high=pressor * 1.15 + 0.003,
            limit=0.2,
            unit="ug/kg/min",
            label="Norepinephrine over 0.20 ug/kg/min",
            measured_in=where,
        ),
        "fluid": ConstraintReport(
            rate=fluid,
            low=max(0, fluid * 0.85 - 0.002),
            high=fluid * 1.15 + 0.003,
            limit=500,
            unit="mL/h",
            label="Fluid over 500 mL/h (2 L per 4 h) after the first interval",
            measured_in=where,
        ),
    }


def policy(label, kind, *, claim, true, est, ess, action, rates, seed, agreement, unsupported, base=None, share=None):
    return PolicyReport(
        label=label,
        kind=kind,
        estimates=estimates(est, ess, true, seed, claim) if ess else {},
        simulator_value=claim and Interval(value=claim, low=claim - 0.008, high=claim + 0.008),
        true_value=true and Interval(value=true, low=true - 0.009, high=true + 0.009),
        true_difference=true and Interval(value=true - 0.812, low=true - 0.819, high=true - 0.805),
        constraints=violations(*rates),
        actions=shares(*action),
        agreement=agreement,
        unsupported=unsupported,
        base=base,
        share=share,
    )


def clinician(*, true):
    return PolicyReport(
        label="Clinicians",
        kind="clinician",
        description="who treated the patients in the records",
        observed_value=Interval(value=0.806, low=0.775, high=0.836),
        true_value=Interval(value=0.812, low=0.804, high=0.82) if true else None,
        constraints=violations(0.032, 0.018),
        actions=shares(1.5, 1.2),
    )


def behavior(decisions, nll):
    bins = [
        CalibrationBin(
            predicted=p,
            observed=p + 0.015 * math.sin(9 * p),
            count=int(30000 * math.exp(-6 * p)) + 4,
            low=p - 0.02 - p / 9,
            high=p + 0.02 + p / 9,
        )
        for p in (0.01, 0.05, 0.12, 0.21, 0.31, 0.42, 0.55, 0.68)
    ]
    return BehaviorReport(
        model="small network, 64 hidden units, temperature-calibrated",
        decisions=decisions,
        nll=nll,
        nll_marginal=2.61,
        ece=0.011,
        auroc=0.86,
        temperature=1.07,
        least_propensity=0.0007,
        share_below_001=0.013,
        calibration=tuple(bins),
    )


def simulator():
    rows, far = [], []
    for i, (name, *_) in enumerate(FEATURES):
        for model, factor in (("persistence", 1.0), ("linear", 0.86), ("lstm", 0.77)):
            base = 0.25 + 0.1 * ((i * 7) % 5)
            rows.append(FeatureError(feature=name, model=model, rmse=base * factor, nll=base - 0.4, count=4000))
            for ahead in (1, 2, 4, 8, 16):
                rmse = base * factor * (1 + 0.35 * math.log(ahead))
                far.append(FeatureError(feature=name, model=model, rmse=rmse, decisions=ahead, count=2000))
    return SimulatorReport(
        kind="LSTM ensemble",
        members=3,
        model="lstm",
        one_step=tuple(rows),
        open_loop=tuple(far),
        comparisons=(
            ErrorComparison(metric="one-step nRMSE", against="persistence", difference=-0.104, low=-0.112, high=-0.097),
            ErrorComparison(metric="one-step nRMSE", against="linear", difference=-0.041, low=-0.048, high=-0.033),
            ErrorComparison(metric="open-loop nRMSE", against="persistence", difference=-0.122, low=-0.14, high=-0.101),
            ErrorComparison(metric="open-loop nRMSE", against="linear", difference=-0.012, low=-0.027, high=0.004),
        ),
        outcome_calibration=tuple(
            CalibrationBin(predicted=p, observed=p * 0.93 + 0.008, count=c, low=p * 0.85, high=p + 0.04)
            for p, c in ((0.03, 210), (0.08, 140), (0.16, 90), (0.28, 70), (0.45, 60), (0.66, 31), (0.85, 17))
        ),
        outcome_scores={"AUROC": 0.832, "Brier score": 0.108},
    )


PROVENANCE = Provenance(
    version="0.1.0",
    commit="4f0c2c1d9b7e",
    python="3.11.9",
    packages={"torch": "2.13.0", "stable-baselines3": "2.7.0", "numpy": "2.3.1"},
    seed=0,
    device="cpu",
    seconds={"cohort": 14.2, "behaviour": 6.1, "simulator": 71.0, "policies": 148.3, "evaluation": 44.9},
    data="built-in cohort, 2,500 patients",
    platform="Linux, x86_64, 2 cores",
)
ESTIMAND = Estimand(
    reward="1 alive at discharge or at the horizon, 0 died",
    discount=1.0,
    horizon_decisions=18,
    interval_hours=4.0,
    outcome="death or discharge",
    text="Probability of being alive at discharge or 72 hours after onset, whichever comes first.",
    value_name="survival",
    percent=True,
)


def features() -> tuple[FeatureSummary, ...]:
    keys = ("name", "label", "unit", "measured", "mean", "sd", "low", "high", "out_of_bounds")
    return tuple(FeatureSummary(**dict(zip(keys, row, strict=True))) for row in FEATURES)


TASK = TaskReport(
    name="sepsis",
    description="Fluids and vasopressors in shock.",
    facts=(Fact(name="Who", text="Adults in intensive care."), Fact(name="Time zero", text="The first trigger.")),
    levels=tuple(
        DoseLevel(drug="IV fluid", dose=dose, above=above, up_to=up_to, decisions=400, share=0.2)
        for dose, above, up_to in zip(FLUID.levels, (None, *FLUID.cuts), (*FLUID.cuts, None), strict=True)
    ),
)


def subgroup(variable, group, patients, value, ess):
    """A group with an estimate of one blend."""
    return SubgroupReport(
        variable=variable,
        group=group,
        patients=patients,
        stays=patients,
        observed=Interval(value=value, low=value - 0.05, high=value + 0.05),
        estimates={"blend_10": estimate(value + 0.01, 0.06, ess)},
    )


SUBGROUPS = (
    subgroup("Age", "under 65 years", 312, 0.86, 240),
    subgroup("Age", "65 years or more", 313, 0.75, 210),
    subgroup("Sex", "female", 290, 0.81, 40),
    subgroup("Sex", "male", 335, 0.8, 230),
)


def external():
    """The simulator on a second hospital: worse than at home, still better than persistence."""
    home = simulator()
    rows = (*home.one_step, *home.open_loop)
    return ExternalReport(
        name="another hospital",
        fingerprint="2c" * 32,
        patients=181,
        stays=190,
        decisions=2400,
        features=tuple(name for name, *_ in FEATURES[:9]),
        missing=("film",),
        errors=tuple(r.model_copy(update={"rmse": (r.rmse or 0) * 1.2}) for r in rows if r.feature != "film"),
        home=tuple(r for r in rows if r.feature != "film"),
        comparisons=home.comparisons,
        scores={"AUROC": 0.71},
        notes=("Doses above the range of home were cut to it in 3 of 2,400 decisions.",),
    )
