"""Weights times terms in one pass over memory: a block of stays is cumulated, weighted and summed while in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from .logged import Array, Logged
from .weights import LARGEST, finite

# What decisions add, up to the discount that all stays share: block after block (B, T), anything in the padding. Made
# in the room (B, T) that is given, and gone when the next is asked for.
Terms = Callable[[Tensor], Iterator[Tensor]]


@dataclass(frozen=True, eq=False)
class Sum:
    """What is summed over the decisions of a stay: terms, each times its weight, and what comes before the first."""

    terms: Terms
    first: Array | None = None  # (N,)


def weighted_sums(data: Logged, sums: Sequence[Sum], check: Callable[[], None]) -> list[tuple[Array, Array]]:
    """Of each of `sums` the totals (N, 1) of stays, and what stands for one beside them (N, 1): one pass for all.

    Both are divided by the same number where totals are too large. `check` raises ValueError for input that is no
    number. It is asked only where a total is not finite: any such reward, value or ratio makes it so.
    """
    found, shift = _summed(data, sums, 0.0), 0.0
    if not (np.abs([found.max(), found.min()]).max() <= LARGEST and data.powers[-1] > 0):
        check()
        shift = max(0.0, float(data.log_weight.max() - np.log(LARGEST)))
        found = _summed(data, sums, shift)
    return [(total[:, None], np.full((len(total), 1), np.exp(-shift))) for total in found]


@torch.inference_mode()
def _summed(data: Logged, sums: Sequence[Sum], shift: float) -> Array:
    """Totals (S, N), everything divided by e^shift."""
    powers, found = torch.from_numpy(data.powers), torch.zeros(len(sums), len(data.mask), dtype=torch.float64)
    room, weights = _rooms(data)
    parts = []
    for one, own in zip(sums, found, strict=True):
        before = repeat(None) if one.first is None else torch.from_numpy(one.first).split(data.block)
        parts.append((one.terms(room), iter(before), iter(own.split(data.block))))
    for ratio, mask in _blocks(data):
        weight, product = _cumulated(ratio, mask, weights), upto(room, ratio)
        if shift:
            weight.sub_(shift)
        weight.exp_()
        for terms, before, totals in parts:
            torch.mul(weight, next(terms), out=product)
            if mask is not None:
                product.masked_fill_(~mask, 0)
            first, total = next(before), next(totals)
            if first is None:
                torch.mv(product, powers, out=total)
            else:
                torch.addmv(first, product, powers, beta=np.exp(-shift), out=total)
    return found.numpy()


@torch.inference_mode()
def weighted_columns(data: Logged, terms: Terms, check: Callable[[], None], num: Array, den: Array) -> None:
    """Fill `num` (N, T) with weight times term and `den` (N, T) with weights, both divided by the column's largest.

    `check` as in `weighted_sums`.
    """
    above, below = torch.from_numpy(num), torch.from_numpy(den)
    room, weights = _rooms(data)
    tops = []
    for (ratio, mask), kept in zip(_blocks(data), below.split(data.block), strict=True):
        weight = _cumulated(ratio, mask, weights)
        tops.append(weight.amax(0))
        kept.copy_(weight)
    shift, powers = torch.from_numpy(finite(torch.stack(tops).amax(0).numpy())), torch.from_numpy(data.powers)
    total = torch.zeros(len(powers), dtype=torch.float64)
    parts = (part.split(data.block) for part in (above, below))
    for (_, mask), product, kept, term in zip(_blocks(data), *parts, terms(room), strict=True):
        weight = torch.sub(kept, shift, out=upto(weights, kept)).exp_()
        kept.copy_(weight)
        weight.mul_(term)
        if mask is not None:
            weight.masked_fill_(~mask, 0)
        torch.mul(weight, powers, out=product)
        total += weight.sum(0)
    if not total.isfinite().all():
        check()


def _cumulated(ratio: Tensor, mask: Tensor | None, room: Tensor) -> Tensor:
    """Log weights (B, T) of a block; an ended stay carries its last."""
    return torch.cumsum(ratio if mask is None else ratio.masked_fill(~mask, 0), 1, out=upto(room, ratio))


def upto(room: Tensor, part: Tensor) -> Tensor:
    """As many rows of the room as the part has; the last block may be smaller than the room."""
    return room if room.shape[0] == part.shape[0] else room[: part.shape[0]]


def _blocks(data: Logged) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Log ratios as given, block after block (B, T), and masks where anything is padding."""
    ratios = torch.from_numpy(data.given_log_ratio).split(data.block)
    return zip(ratios, repeat(None) if data.full else torch.from_numpy(data.mask).split(data.block))  # noqa: B905


def _rooms(data: Logged) -> Tensor:
    return torch.empty(2, min(data.block, len(data.mask)), data.mask.shape[1], dtype=torch.float64)


def rewards(data: Logged) -> Terms:
    """Terms of importance sampling alone: what each decision earned."""

    def terms(room: Tensor) -> Iterator[Tensor]:
        earned = torch.from_numpy(data.given_reward).split(data.block)
        if isinstance(data.discount, float):
            yield from earned
            return
        for part, factor in zip(earned, torch.from_numpy(data.discount).split(data.block), strict=True):
            yield torch.mul(part, factor, out=upto(room, part))

    return terms
