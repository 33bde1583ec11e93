"""Weights times terms in one pass over memory: a block of stays is cumulated, weighted and summed while in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from .logged import Array, Logged
from .weights import LARGEST, finite

# What decisions add, up to the discount that all stays share: block after block (B, T), anything in the padding. Made
# in the room (B, T) that is given, and gone when the next is asked for.
Terms = Callable[[Tensor], Iterator[Tensor]]


def weighted_sums(
    data: Logged, terms: Terms, check: Callable[[], None], first: Array | None = None
) -> tuple[Array, Array]:
    """`first` (N,), if any, plus sums over decisions of weight times term: (N, 1), and what stands for one beside them.

    Both are divided by the same number where sums are too large. `check` raises ValueError for input that is no
    number. It is asked only where a sum is not finite: any such reward, value or ratio makes it so.
    """
    found, shift = _summed(data, terms, first, 0.0), 0.0
    if not (abs(found.max()) <= LARGEST and abs(found.min()) <= LARGEST and data.powers[-1] > 0):
        check()
        shift = max(0.0, float(data.log_weight.max() - np.log(LARGEST)))
        found = _summed(data, terms, first, shift)
    return found[:, None], np.full((len(found), 1), np.exp(-shift))


@torch.inference_mode()
def _summed(data: Logged, terms: Terms, first: Array | None, shift: float) -> Array:
    """Sums (N,), everything divided by e^shift."""
    powers, found = torch.from_numpy(data.powers), torch.zeros(len(data.mask), dtype=torch.float64)
    before = found if first is None else torch.from_numpy(first)
    room, weights = _rooms(data)
    made = terms(room)  # only when weights are done, so that no block is in cache for nothing
    for ratio, mask, start, out in zip(*_blocks(data), before.split(data.block), found.split(data.block), strict=True):
        weight = _cumulated(data, ratio, mask, weights)
        if shift:
            weight.sub_(shift)
        weight.exp_().mul_(next(made))
        if not data.full:
            weight.masked_fill_(~mask, 0)
        torch.addmv(start, weight, powers, beta=np.exp(-shift), out=out)
    return found.numpy()


@torch.inference_mode()
def weighted_columns(data: Logged, terms: Terms, check: Callable[[], None], num: Array, den: Array) -> None:
    """Fill `num` (N, T) with weight times term and `den` (N, T) with weights, both divided by the column's largest.

    `check` as in `weighted_sums`.
    """
    above, below = torch.from_numpy(num), torch.from_numpy(den)
    room, weights = _rooms(data)
    tops = []
    for ratio, mask, kept in zip(*_blocks(data), below.split(data.block), strict=True):
        weight = _cumulated(data, ratio, mask, weights)
        tops.append(weight.amax(0))
        kept.copy_(weight)
    shift, powers = torch.from_numpy(finite(torch.stack(tops).amax(0).numpy())), torch.from_numpy(data.powers)
    total = torch.zeros(len(powers), dtype=torch.float64)
    for mask, product, kept, term in zip(
        _blocks(data)[1], above.split(data.block), below.split(data.block), terms(room), strict=True
    ):
        weight = torch.sub(kept, shift, out=weights[: len(mask)]).exp_()
        kept.copy_(weight)
        weight.mul_(term)
        if not data.full:
            weight.masked_fill_(~mask, 0)
        torch.mul(weight, powers, out=product)
        total += weight.sum(0)
    if not total.isfinite().all():
        check()


def _cumulated(data: Logged, ratio: Tensor, mask: Tensor, room: Tensor) -> Tensor:
    """Log weights (B, T) of a block; an ended stay carries its last."""
    return torch.cumsum(ratio if data.full else ratio.masked_fill(~mask, 0), 1, out=room[: len(mask)])


def _blocks(data: Logged) -> list[tuple[Tensor, ...]]:
    """Log ratios as given, and masks, block after block (B, T)."""
    return [torch.from_numpy(part).split(data.block) for part in (data.given_log_ratio, data.mask)]


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
            yield torch.mul(part, factor, out=room[: len(part)])

    return terms
