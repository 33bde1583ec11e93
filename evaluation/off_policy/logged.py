"""Logged arrays as every estimator reads them: checked, in float64, with neutral padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.ArrayLike | Tensor

_CELLS = 30_720  # of an array that stays in cache together with half a dozen others


@dataclass(frozen=True, eq=False)
class Logged:
    """N stays of up to T decisions: arrays as given, and as estimators read them, made and checked when asked for.

    As read, a stay has reward 0 and ratio 1 after its end. What is given is kept, not copied: do not write into it.
    """

    given_reward: Array  # (N, T), anything in the padding
    given_log_ratio: Array  # (N, T), anything in the padding
    mask: Mask  # (N, T)
    discount: float | Array  # g, meaning g**t; or the factor (N, T) of each decision, 0 after the end

    @cached_property
    def full(self) -> bool:
        """Whether every stay lasts to the end: nothing is padding."""
        return bool(self.mask.all())

    @property
    def block(self) -> int:
        """How many stays to take at once."""
        return block(self.mask.shape[1])

    @cached_property
    def earned(self) -> Array:
        """Rewards (N, T), not discounted."""
        return inside("reward", self.given_reward, self.mask)

    @cached_property
    def log_ratio(self) -> Array:
        """Log ratios (N, T) of single decisions."""
        return inside("log_ratio", self.given_log_ratio, self.mask, minus_infinity=True)

    @cached_property
    def log_weight(self) -> Array:
        """Sums of log ratios (N, T) up to and including t; an ended stay carries its last."""
        return np.asarray(torch.cumsum(torch.from_numpy(self.log_ratio), 1).numpy())

    @cached_property
    def factor(self) -> Array:
        """Discount (N, T) of each decision; 0 after the end."""
        if isinstance(self.discount, float):
            return where(self.mask, np.broadcast_to(self.powers, self.mask.shape))
        return self.discount

    @property
    def powers(self) -> Array:
        """Discount (T,) of each decision that all stays share: g**t, or 1 where stays have factors of their own."""
        base = self.discount if isinstance(self.discount, float) else 1.0
        return np.asarray(base ** np.arange(self.mask.shape[1]), dtype=np.float64)

    @cached_property
    def reward(self) -> Array:
        """Discounted rewards (N, T)."""
        return self.earned * self.factor

    @cached_property
    def returns(self) -> Array:
        """Discounted return (N,) of each stay."""
        if isinstance(self.discount, float):
            return np.asarray((torch.from_numpy(self.earned) @ torch.from_numpy(self.powers)).numpy())
        return np.asarray(np.einsum("nt,nt->n", self.earned, self.discount))

    @cached_property
    def log_total(self) -> Array:
        """Sum (N,) of all log ratios of each stay."""
        ratio = torch.from_numpy(self.log_ratio)
        return np.asarray((ratio @ torch.ones(ratio.shape[1], dtype=ratio.dtype)).numpy())

    def check(self) -> None:
        """ValueError for a reward that is not finite, or a log ratio that is neither finite nor -inf."""
        _ = self.earned, self.log_ratio

    def rows(self, index: npt.NDArray[np.int64] | Mask) -> Logged:
        """Some of the stays."""
        discount = self.discount if isinstance(self.discount, float) else self.discount[index]
        return Logged(self.given_reward[index], self.given_log_ratio[index], self.mask[index], discount)


@dataclass(frozen=True, eq=False)
class Critic:
    """What a critic says of the target policy on logged stays."""

    q: Array  # (N, T) value of the logged action, anything in the padding
    v: Array  # (N, T+1) value of the state before each decision, and after the last; anything after the end
    mask: Mask  # (N, T)

    def check(self) -> None:
        """ValueError for a value before the end of a stay that is not finite."""
        inside("q", self.q, self.mask)
        inside("v", self.v[:, :-1], self.mask)


def logged(reward: Numbers, log_ratio: Numbers, mask: Numbers, discount: float | Numbers) -> Logged:
    """Check the inputs of an estimator and put them in their common form.

    `reward`, `log_ratio`, `mask` (N, T); `discount` a number g, meaning g**t from t = 0, or factors (N, T).
    What lies in the padding is never read. ValueError for other shapes, a mask that is no prefix of its row, a
    reward or discount that is not finite, and a log ratio that is neither finite nor -inf.
    """
    found = shaped(reward, log_ratio, mask, discount)
    found.check()
    return found


def shaped(reward: Numbers, log_ratio: Numbers, mask: Numbers, discount: float | Numbers) -> Logged:
    """As `logged`, rewards and log ratios yet to be checked: by who reads them all and so must meet a bad one."""
    decided = mask_of(mask)
    rewards, ratios = (like("reward", reward, decided), like("log_ratio", log_ratio, decided))
    if not isinstance(discount, int | float):
        return Logged(rewards, ratios, decided, _own(inside("discount", discount, decided)))
    if not 0 <= discount < np.inf:
        raise ValueError(f"discount: expected a number >= 0, got {discount}")
    return Logged(rewards, ratios, decided, float(discount))


def critic(q: Numbers, v: Numbers, mask: Mask) -> Critic:
    """A critic's `q` (N, T) and `v` (N, T+1) in units of the reward, not discounted to admission; yet to be checked.

    What lies after the end of a stay is never read: its value is 0. ValueError for other shapes.
    """
    values = array(v)
    if values.shape != (mask.shape[0], mask.shape[1] + 1):
        raise ValueError(f"v: expected shape (N, T+1) = {(len(mask), mask.shape[1] + 1)}, got {values.shape}")
    return Critic(like("q", q, mask), _own(values), mask)


def like(name: str, values: Numbers, mask: Mask) -> Array:
    """The values (N, T) as a contiguous array that torch can read; ValueError for another shape than the mask's."""
    found = array(values)
    if found.shape != mask.shape:
        raise ValueError(f"{name}: expected shape {mask.shape} like mask, got {found.shape}")
    return _own(found)


def _own(values: Array) -> Array:
    return np.require(values, requirements=("C", "W"))


def block(decisions: int) -> int:
    """How many stays of so many decisions to take at once."""
    return max(1, _CELLS // decisions)


def blocks(stays: int, decisions: int) -> list[slice]:
    """Slices of stays whose arrays stay in cache."""
    size = block(decisions)
    return [slice(start, min(start + size, stays)) for start in range(0, stays, size)]


def array(values: Numbers) -> Array:
    """Any array or tensor, on any device, as float64."""
    if isinstance(values, Tensor):  # of bfloat16 too, which numpy lacks
        return np.asarray(values.detach().cpu().double())
    return np.asarray(values, dtype=np.float64)


def mask_of(mask: Numbers) -> Mask:
    """The mask (N, T) as bool; ValueError unless it is a prefix of each row and holds at least one stay."""
    given = np.asarray(mask.detach().cpu() if isinstance(mask, Tensor) else mask)
    decided: Mask = np.require(given if given.dtype == bool else given != 0, requirements=("C", "W"))
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
        wanted = f"({len(mask)}, {mask.shape[1]}, columns), the first two" if columns else f"{mask.shape}"
        raise ValueError(f"{name}: expected shape {wanted} like mask, got {found.shape}")
    found = where(mask, found)
    with np.errstate(invalid="ignore", over="ignore"):
        total = found.sum()
    if np.isfinite(total):  # a sum is finite only where every term is
        return found
    bad = ~(found < np.inf) if minus_infinity else ~np.isfinite(found)
    if bad.any():
        row, column = np.argwhere(bad)[0][:2]
        remedy = "; a behaviour policy must give every logged action a positive probability" if minus_infinity else ""
        raise ValueError(f"{name}: got {found[row, column]} at stay {row}, decision {column}; expected finite{remedy}")
    return found
