"""Logged arrays as every estimator reads them: checked, in float64, with neutral padding."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.ArrayLike | Tensor

_BLOCK = 2048  # stays


@dataclass(frozen=True)
class Logged:
    """N stays of up to T decisions. After the end of a stay the reward is 0 and the ratio 1."""

    earned: Array  # (N, T) reward, not discounted
    log_weight: Array  # (N, T) sum of log ratios up to and including t; an ended stay carries its last
    mask: Mask  # (N, T)
    factor: Array  # (N, T) discount of decision t; 0 after the end
    log_ratio: Array  # (N, T) of decision t alone; 0 after the end

    @cached_property
    def reward(self) -> Array:
        """Discounted rewards (N, T)."""
        return self.earned * self.factor

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Logged:
        """Some of the stays."""
        return Logged(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class Critic:
    """What a critic says of the target policy on logged stays; 0 after the end of a stay."""

    q: Array  # (N, T) value of the logged action
    v: Array  # (N, T) value of the state before each decision; after the last it is 0


def logged(reward: Numbers, log_ratio: Numbers, mask: Numbers, discount: float | Numbers) -> Logged:
    """Check the inputs of an estimator and put them in their common form.

    `reward`, `log_ratio`, `mask` (N, T); `discount` a number g, meaning g**t from t = 0, or factors (N, T).
    What lies in the padding is never read. ValueError for other shapes, a mask that is no prefix of its row, a
    reward or discount that is not finite, and a log ratio that is neither finite nor -inf.
    """
    decided = mask_of(mask)
    rewards = inside("reward", reward, decided)
    ratios = inside("log_ratio", log_ratio, decided, minus_infinity=True)
    if isinstance(discount, int | float):
        if not 0 <= discount < np.inf:
            raise ValueError(f"discount: expected a number >= 0, got {discount}")
        factors = np.broadcast_to(float(discount) ** np.arange(decided.shape[1]), decided.shape)
    else:
        factors = inside("discount", discount, decided)
    factors = where(decided, factors)
    return Logged(rewards, np.cumsum(ratios, 1), decided, factors, ratios)


def critic(q: Numbers, v: Numbers, mask: Mask) -> Critic:
    """Check a critic's `q` (N, T) and `v` (N, T+1), in units of the reward and not discounted to admission.

    What lies after the end of a stay is never read: its value is 0. ValueError for other shapes or values that are
    not finite.
    """
    values = array(v)
    if values.shape != (mask.shape[0], mask.shape[1] + 1):
        raise ValueError(f"v: expected shape (N, T+1) = {(len(mask), mask.shape[1] + 1)}, got {values.shape}")
    return Critic(inside("q", q, mask), inside("v", values[:, :-1], mask))


def blocks(stays: int) -> list[slice]:
    """Slices of stays whose arrays stay in cache."""
    return [slice(start, start + _BLOCK) for start in range(0, stays, _BLOCK)]


def array(values: Numbers) -> Array:
    """Any array or tensor, on any device, as float64."""
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)


def mask_of(mask: Numbers) -> Mask:
    """The mask (N, T) as bool; ValueError unless it is a prefix of each row and holds at least one stay."""
    given = np.asarray(mask.detach().cpu() if isinstance(mask, Tensor) else mask)
    decided: Mask = given if given.dtype == bool else np.asarray(given != 0)
    if decided.ndim != 2 or 0 in decided.shape:
        raise ValueError(f"mask: expected shape (N, T) with N, T >= 1, got {decided.shape}")
    if decided.all():
        return decided
    holes = decided[:, 1:] & ~decided[:, :-1]
    if holes.any():
        row, column = np.argwhere(holes)[0]
        raise ValueError(f"mask: row {row} has a decision at {column + 1} but none at {column}; expected a prefix")
    return decided


def where(mask: Mask, values: Array) -> Array:
    """The values (N, T, ...) where `mask` (N, T), else 0; themselves where every stay lasts to the end."""
    if mask.all():
        return values
    return np.where(mask.reshape(*mask.shape, *[1] * (values.ndim - 2)), values, 0.0)


def inside(name: str, values: Numbers, mask: Mask, *, minus_infinity: bool = False, columns: bool = False) -> Array:
    """The values where `mask`, else 0; (N, T), or (N, T, U) of any U if `columns`.

    ValueError for another shape or where one of them is not a number.
    """
    found = array(values)
    if found.shape[:2] != mask.shape or found.ndim != 2 + columns:
        raise ValueError(f"{name}: expected shape {mask.shape} like mask, got {found.shape}")
    found = where(mask, found)
    if np.isfinite(found.sum()):  # a sum is finite only where every term is
        return found
    bad = ~np.isfinite(found) & ~(minus_infinity & (found == -np.inf))
    if bad.any():
        row, column = np.argwhere(bad)[0][:2]
        remedy = "; a behaviour policy must give every logged action a positive probability" if minus_infinity else ""
        raise ValueError(f"{name}: got {found[row, column]} at stay {row}, decision {column}; expected finite{remedy}")
    return found
