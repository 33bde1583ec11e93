"""ICU-Sepsis: the public tabular MDP of sepsis care (713 states in care, 5 x 5 dose levels), on this contract.

The numbers are those of the `icu-sepsis` package (Choudhary, Gupta & Thomas 2024, arXiv 2406.05646; MIT licence). They
are read from its data files; its code, which needs the discontinued `gym`, is never imported. By its own account a
benchmark for algorithms, not a source of conclusions about care.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .icu_sepsis_spec import HOURS, NUMBERED, SPEC, STATES
from .tabular import Tabular

REMEDY = "pip install --no-deps icu-sepsis (or the extra: pip install 'posology[icu-sepsis]')"
Inadmissible = Literal["forbidden", "mean"]
_DEATH, _SURVIVAL = STATES, STATES + 1  # the package's numbers


class MissingPackageError(ImportError):
    """The package that ships the MDP is not installed."""


@dataclass(frozen=True, eq=False)
class Shipped:
    """What the package ships of states in care, float64."""

    transition: Tensor  # (S, A, S + 2): to the states in care, survival, death
    start: Tensor  # (S,)
    admissible: Tensor  # (S, A) bool: taken often enough to estimate; the others' transitions are their mean
    expert: Tensor  # (S, A): the clinicians' probabilities, 16 % of them on inadmissible actions
    features: Tensor  # (S, 47) cluster centres
    sofa: Tensor  # (S,) mean SOFA score


@functools.cache
def shipped() -> Shipped:
    """The package's numbers, read once; MissingPackageError where it is not installed."""
    found = find_spec("icu_sepsis")
    if found is None or found.origin is None:
        raise MissingPackageError(f"ICU-Sepsis needs the package that ships its numbers: {REMEDY}")
    assets = Path(found.origin).parent / "envs" / "assets"
    with np.load(assets / "dynamics.npz", allow_pickle=False) as data:
        moves, start, expert = data["tx_mat"][:STATES], data["d_0"][:STATES], data["expert_policy"][:STATES]
        features, sofa = data["state_cluster_centers"][:STATES], data["sofa_scores"][:STATES]
    order = [*range(STATES), _SURVIVAL, _DEATH]
    return Shipped(
        transition=torch.from_numpy(moves[:, :, order]),
        start=torch.from_numpy(start),
        admissible=_admissible(assets / "admissible_actions.txt"),
        expert=torch.from_numpy(expert),
        features=torch.from_numpy(features),
        sofa=torch.from_numpy(sofa),
    )


def _admissible(path: Path) -> Tensor:
    """The admissible actions (S, A) of a file whose first line counts them and whose others list them, by state."""
    counts, *lists = (line.split() for line in path.read_text("utf-8").splitlines())
    table = torch.zeros(STATES, SPEC.actions, dtype=torch.bool)
    for state, actions in enumerate(lists[:STATES]):
        if len(actions) != int(counts[state]):
            raise ValueError(f"{path}: state {state} lists {len(actions)} actions, its count says {counts[state]}")
        table[state, [int(a) for a in actions]] = True
    return table


@functools.cache
def icu_sepsis(inadmissible: Inadmissible = "forbidden", numbered: bool = False) -> Tabular:
    """The patient; MissingPackageError where the package is not installed, ValueError for another rule.

    `inadmissible`: "forbidden" masks what the data cannot speak of, for everybody; with "mean", the package's own
    default, every action is admissible and those act as the mean of the others. `numbered` records the state's number
    instead of its 47 measurements.
    """
    if inadmissible not in ("forbidden", "mean"):
        raise ValueError(f"inadmissible: expected 'forbidden' or 'mean', got {inadmissible!r}")
    data = shipped()
    numbers = torch.arange(STATES, dtype=torch.float32)[:, None]
    return Tabular(
        spec=NUMBERED if numbered else SPEC,
        transition=data.transition,
        start=data.start,
        admissible=data.admissible if inadmissible == "forbidden" else torch.ones_like(data.admissible),
        values=numbers if numbered else data.features.float(),
        fixed_hours=HOURS,
    )
