"""What a run keeps for paired comparison: per-stay arrays of every estimate, in `evaluation.safetensors`.

Keys: `subject` (N,) int64, `observed` (N,) float64 return of each held-out stay, `<policy>/<estimator>/num` and `/den`
(N, S) float64 (value = sum of column ratios), `/weight` (N, T) cumulated, `/shift` (K,) by which refits of the
clinician move the value, and `<policy>/true_return` (P,) of patients simulated in the known truth. No state, dose or
date of any patient is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save_file

EVALUATION_FILE = "evaluation.safetensors"
Array = NDArray[np.float64]


class Ratio(Protocol):
    """What is read of an `Estimate`."""

    @property
    def num(self) -> Any: ...  # (N, S)
    @property
    def den(self) -> Any: ...  # (N, S)
    @property
    def weight(self) -> Any: ...  # (N, T) or None
    @property
    def shifts(self) -> Any: ...  # (K,) or None


@dataclass(frozen=True)
class RunArrays:
    """Held-out arrays of one run; dictionaries are keyed by policy, then estimator."""

    subject: NDArray[np.int64]  # (N,)
    observed: Array  # (N,) return of each held-out stay under its clinicians
    num: dict[str, dict[str, Array]] = field(default_factory=dict)  # (N, S)
    den: dict[str, dict[str, Array]] = field(default_factory=dict)  # (N, S)
    true_return: dict[str, Array] = field(default_factory=dict)  # (P,)
    shift: dict[str, dict[str, Array]] = field(default_factory=dict)  # (K,) what refits of the clinician do to values


def save_arrays(
    folder: Path | str,
    *,
    subject: ArrayLike,
    observed: ArrayLike,
    estimates: Mapping[str, Mapping[str, Ratio]],
    true_returns: Mapping[str, ArrayLike] | None = None,
) -> Path:
    """Write `evaluation.safetensors` into the run folder; ValueError where an array does not have one row per stay."""
    arrays: dict[str, NDArray[Any]] = {
        "subject": np.ascontiguousarray(subject, dtype=np.int64),
        "observed": np.ascontiguousarray(observed, dtype=np.float64),
    }
    for policy, named in estimates.items():
        for name, estimate in named.items():
            parts = {"num": estimate.num, "den": estimate.den, "weight": estimate.weight}
            for part, array in parts.items():
                if array is not None:
                    arrays[f"{policy}/{name}/{part}"] = np.ascontiguousarray(array, dtype=np.float64)
    stays = len(arrays["subject"])
    for key, array in arrays.items():
        if array.ndim == 0 or len(array) != stays:
            raise ValueError(f"{key}: expected {stays} rows, one per stay of `subject`, got shape {array.shape}")
    for policy, returns in (true_returns or {}).items():
        arrays[f"{policy}/true_return"] = np.ascontiguousarray(returns, dtype=np.float64)
    for policy, named in estimates.items():
        for name, estimate in named.items():
            if estimate.shifts is not None:
                arrays[f"{policy}/{name}/shift"] = np.ascontiguousarray(estimate.shifts, dtype=np.float64)
    path = Path(folder) / EVALUATION_FILE
    partial = path.with_name(path.name + ".partial")
    save_file(arrays, partial)
    os.replace(partial, path)
    return path


def load_arrays(folder: Path | str) -> RunArrays:
    """Read what `save_arrays` wrote; FileNotFoundError where the run did not get that far."""
    path = Path(folder) / EVALUATION_FILE
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, found none; finish the run with `posology run` first")
    arrays = load_file(path)
    run = RunArrays(subject=arrays.pop("subject"), observed=arrays.pop("observed"))
    for key, array in arrays.items():
        policy, *rest = key.split("/")
        if rest == ["true_return"]:
            run.true_return[policy] = array
        elif rest[-1] in ("num", "den", "shift"):
            {"num": run.num, "den": run.den, "shift": run.shift}[rest[-1]].setdefault(policy, {})[rest[0]] = array
    return run
