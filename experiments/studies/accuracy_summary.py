"""What the accuracy study found, as numbers: `python -m posology.experiments.studies.accuracy_summary`.

Writes `accuracy.json` beside the cells; `off_policy_page` draws it and makes the tables of the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...evaluation.off_policy.verdict import ORDER
from ...evaluation.selection import rank_correlations, regret
from ..stages import write_text
from .accuracy import USUAL
from .coverage import FOLDER

Row = dict[str, Any]
WEIGHTED = ("weighted_importance_sampling", "weighted_doubly_robust")


def rows_of(folder: Path) -> list[Row]:
    """Every estimate of every cell, with its cell's settings; FileNotFoundError where there is none."""
    found: list[Row] = []
    for path in sorted((folder / "accuracy").glob("*.json")):
        content = json.loads(path.read_text())
        if "cell" in content:
            cell = {k: content["cell"][k] for k in ("environment", "stays", "hidden", "repeat")}
            found += [{**row, **cell} for row in content["rows"]]
    if not found:
        raise FileNotFoundError(f"{folder}: expected cells of the accuracy study; run `make study-ope` first")
    return found


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some columns."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def typical_error(rows: Sequence[Row]) -> dict[str, float | int]:
    """Root mean square and median absolute error; an estimate that is no number counts as the worst of its policy."""
    gaps = np.array([row["value"] - row["truth"] if _known(row["value"]) else np.nan for row in rows], dtype=float)
    return {
        "rmse": float(np.sqrt(np.nanmean(gaps**2))) if np.isfinite(gaps).any() else float("nan"),
        "median": float(np.nanmedian(np.abs(gaps))) if np.isfinite(gaps).any() else float("nan"),
        "undefined": int(np.isnan(gaps).sum()),
        "estimates": len(gaps),
    }


def verdicts(rows: Sequence[Row]) -> dict[str, dict[str, float | int]]:
    """For each verdict: how many, how many finite intervals, and the share of those that missed the truth."""
    found: dict[str, dict[str, float | int]] = {}
    for (label,), some in grouped(rows, "verdict").items():
        bounded = [row for row in some if _known(row["low"]) and _known(row["high"])]
        missed = [not row["low"] <= row["truth"] <= row["high"] for row in bounded]
        false = [row["low"] > row["clinician"] >= row["truth"] for row in bounded]
        found[label] = {
            "estimates": len(some),
            "with interval": len(bounded),
            "missed": float(np.mean(missed)) if bounded else float("nan"),
            "false advantage": float(np.mean(false)) if bounded else float("nan"),
            "rmse": typical_error(some)["rmse"],
        }
    return found


def selection(rows: Sequence[Row]) -> dict[str, float]:
    """Rank correlation and regret of choosing by an estimator, mean over cohorts; what is no number ranks last."""
    correlations, lost = [], []
    for some in grouped(rows, "environment", "stays", "hidden", "repeat", "behavior").values():
        truth = [row["truth"] for row in some]
        known = [row["value"] for row in some if _known(row["value"])]
        score = [row["value"] if _known(row["value"]) else min(known, default=0.0) - 1 for row in some]
        rho = rank_correlations(score, truth)[0]
        correlations.append(0.0 if rho is None else rho)
        lost.append([regret(score, truth, k) for k in (1, 3)])
    first, third = np.mean(lost, 0)
    return {"spearman": float(np.mean(correlations)), "regret": float(first), "regret at 3": float(third)}


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All that the page tells."""
    judged = [row for row in rows if row["hidden"] == 0]
    plain = [row for row in judged if row["behavior"] in USUAL]
    mixed = [row for row in rows if row["stays"] == 2000 and row["repeat"] == 0]
    return {
        "cells": len(grouped(rows, "environment", "stays", "hidden", "repeat")),
        "policies": {env: len({r["policy"] for r in some}) for (env,), some in grouped(rows, "environment").items()},
        "by size": _each(typical_error, plain, "environment", "estimator", "behavior", "stays", "blend"),
        "by behaviour": _each(
            typical_error, [r for r in mixed if r["hidden"] == 0], "environment", "estimator", "behavior"
        ),
        "by confounding": _each(
            typical_error,
            [r for r in mixed if r["behavior"] in USUAL],
            "environment",
            "estimator",
            "behavior",
            "hidden",
        ),
        "verdicts": _each(verdicts, plain, "environment", "estimator", "behavior"),
        "blends": _each(_blend, [_shared(r) for r in plain if r["blend"]], "environment", "share", "behavior"),
        "selection": _each(selection, [r for r in plain if not r["blend"]], "environment", "estimator"),
    }  # fmt: skip


def _shared(row: Row) -> Row:
    """With the share of a blend, which its name begins with."""
    return {**row, "share": row["policy"].split("%")[0]}


def _blend(rows: Sequence[Row]) -> dict[str, Any]:
    """Of blends of one size: errors of weighted importance sampling and of its doubly robust form, and verdicts."""
    by = {name: [r for r in rows if r["estimator"] == name] for name in WEIGHTED}
    labels = [r["verdict"] for r in by[WEIGHTED[0]]]
    return {
        **{name: typical_error(some)["rmse"] for name, some in by.items()},
        **{label: labels.count(label) / len(labels) for label in ORDER},
        "estimates": len(labels),
    }


def _each(measure: Callable[[Sequence[Row]], dict[str, Any]], rows: Sequence[Row], *keys: str) -> list[dict[str, Any]]:
    return [{**dict(zip(keys, key, strict=True)), **measure(some)} for key, some in grouped(rows, *keys).items()]


def _known(value: object) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def main(out: Annotated[Path, typer.Option(help="folder of the study")] = FOLDER) -> None:
    """Write what the cells say."""
    write_text(out / "accuracy.json", json.dumps(summary(rows_of(out)), indent=1))


if __name__ == "__main__":
    typer.run(main)
