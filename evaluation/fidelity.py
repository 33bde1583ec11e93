"""Is the simulator any good? Forecasts, outcomes and paired comparisons of patient models on held-out stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..contracts import Progress, Trajectories, silent
from .fidelity_forecasts import Errors, Forecaster, forecast_errors
from .off_policy.logged import Array
from .off_policy.resampling import by_cluster, counts
from .report_parts import CalibrationBin, ErrorComparison, FeatureError, SimulatorReport

AHEAD = (4, 8, 18)  # decisions of the open-loop forecasts
_COPIES, _EVERY = 8, 4  # simulated copies of each stay, from every fourth decision on
_BINS = 10


@dataclass(frozen=True)
class Fidelity:
    """What `fidelity` measured, by model: errors one decision ahead, and open-loop errors by decisions ahead."""

    one_step: Mapping[str, Errors]
    open_loop: Mapping[str, Mapping[int, Errors]]


def fidelity(
    models: Mapping[str, Forecaster],
    stays: Trajectories,
    *,
    ahead: Sequence[int] = AHEAD,
    seed: int = 0,
    progress: Progress = silent,
) -> Fidelity:
    """Forecast errors of every model on the same stays; horizons longer than every stay are left out."""
    longest = int(stays.length.max()) if len(stays) else 0
    reached = tuple(k for k in ahead if k <= longest)
    one_step, open_loop = {}, {}
    for done, (name, model) in enumerate(models.items()):
        progress(done / len(models), f"forecasting held-out stays: {name}")
        one_step[name] = forecast_errors(model, stays)[1]
        open_loop[name] = (
            forecast_errors(model, stays, reached, copies=_COPIES, every=_EVERY, seed=seed) if reached else {}
        )
    progress(1.0, "forecasting held-out stays")
    return Fidelity(one_step, open_loop)


def simulator_report(found: Fidelity, learned: str, *, kind: str, members: int = 1, seed: int = 0) -> SimulatorReport:
    """The report's section on the model `learned`, its rivals beside it."""
    own = found.one_step[learned]
    return SimulatorReport(
        kind=kind,
        members=members,
        model=learned,
        one_step=tuple(row for name, errors in found.one_step.items() for row in feature_errors(name, errors, 1)),
        open_loop=tuple(
            row
            for name, each in found.open_loop.items()
            for k, errors in each.items()
            for row in feature_errors(name, errors, k)
        ),
        comparisons=compared_errors(found, learned, seed=seed),
        outcome_calibration=outcome_calibration(own),
        outcome_scores=outcome_scores(own),
    )


def compared_errors(found: Fidelity, learned: str, *, seed: int = 0) -> tuple[ErrorComparison, ...]:
    """The model `learned` against every other one, one and more decisions ahead, paired by patient."""
    metrics = {"nRMSE, 1 decision ahead": found.one_step}
    for k in next(iter(found.open_loop.values())):
        metrics[f"nRMSE, {k} decisions ahead"] = {name: errors[k] for name, errors in found.open_loop.items()}
    return tuple(
        compared(metric, (learned, errors[learned]), (name, errors[name]), seed=seed)
        for metric, errors in metrics.items()
        for name in errors
        if name != learned
    )


def mean_error(errors: Errors) -> float:
    """Normalised RMSE averaged over the features that were measured."""
    return float(np.nanmean(errors.rmse)) if (errors.count.sum(0) > 0).any() else float("nan")


def compared(
    metric: str, ours: tuple[str, Errors], theirs: tuple[str, Errors], *, draws: int = 1000, seed: int = 0
) -> ErrorComparison:
    """Difference of mean normalised RMSE, ours minus theirs, with a 95 % interval by bootstrap of patients.

    ValueError where the two were measured on different stays.
    """
    (_, a), (against, b) = ours, theirs
    if a.count.shape != b.count.shape or not np.array_equal(a.count, b.count):
        raise ValueError(f"{against}: errors were measured on other stays; forecast the same ones with both models")
    used = a.count.sum(0) > 0
    patients = by_cluster(np.concatenate([a.square, b.square, a.count], 1), a.subject.astype(np.int64))
    totals = np.concatenate([block @ patients for block in counts(len(patients), draws, seed)])
    low, high = np.nanquantile(_difference(totals, used), [0.025, 0.975]) if used.any() else (np.nan, np.nan)
    value = _difference(patients.sum(0, keepdims=True), used)[0] if used.any() else np.nan
    return ErrorComparison(metric=metric, against=against, difference=float(value), low=float(low), high=float(high))


def outcome_calibration(errors: Errors, bins: int = _BINS) -> tuple[CalibrationBin, ...]:
    """Predicted risk of death against the share that died, in bins of equal numbers of forecasts.

    Intervals are Wilson's and take forecasts of one stay as independent, which deaths (at most one a stay) nearly are.
    """
    order = np.argsort(errors.risk, kind="stable")
    rows = []
    for part in np.array_split(order, min(bins, len(order))) if len(order) else []:
        died = int(errors.died[part].sum())
        interval = stats.binomtest(died, len(part)).proportion_ci(method="wilson")
        rows.append(
            CalibrationBin(
                predicted=float(errors.risk[part].mean()),
                observed=died / len(part),
                count=len(part),
                low=float(interval.low),
                high=float(interval.high),
            )
        )
    return tuple(rows)


def outcome_scores(errors: Errors) -> dict[str, float | None]:
    """Discrimination and calibration of the risk of death: AUROC, Brier score, deaths predicted per death, deaths."""
    risk, died = errors.risk, errors.died
    deaths, lived = int(died.sum()), int((1 - died).sum())
    ranks = stats.rankdata(risk)[died > 0].sum() - deaths * (deaths + 1) / 2
    return {
        "AUROC": float(ranks / (deaths * lived)) if deaths and lived else None,
        "Brier score": float(np.square(risk - died).mean()) if len(risk) else None,
        "deaths predicted per death": float(risk.sum() / deaths) if deaths else None,
        "deaths": float(deaths),
    }


def feature_errors(name: str, errors: Errors, ahead: int) -> list[FeatureError]:
    """One row per feature: error, density, score and coverage of `name`, `ahead` decisions ahead."""
    half, most = errors.coverage
    return [
        FeatureError(
            feature=feature,
            model=name,
            rmse=float(errors.rmse[i]),
            nll=float(errors.nll[i]),
            count=int(errors.count[:, i].sum()),
            decisions=ahead,
            crps=float(errors.mean_crps[i]),
            within_50=float(half[i]),
            transforms=tuple(map(float, errors.transforms[i])) if errors.transform.size else (),
            within_95=float(most[i]),
        )
        for i, feature in enumerate(errors.features)
    ]


def _difference(totals: Array, used: Array) -> Array:
    """Differences (R,) of mean RMSE from totals (R, 3 D): our squares, their squares, counts; NaN without any count."""
    ours, theirs, count = (part[:, used] for part in np.split(totals, 3, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.sqrt(ours / count) - np.sqrt(theirs / count)
        known = count > 0
        return np.asarray(np.where(known, gap, 0.0).sum(1) / known.sum(1))
