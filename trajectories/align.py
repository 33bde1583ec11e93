"""Stays of one record set in the words of another: features, drugs and context by name, in the other's order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Drug, Feature, Spec, Trajectories
from .carry import unmeasured


@dataclass(frozen=True)
class Aligned:
    """Stays as the other spec describes them, and what that took."""

    stays: Trajectories
    features: tuple[str, ...]  # in common
    missing: tuple[str, ...]  # features that these records lack: never measured
    notes: tuple[str, ...]  # what was assumed or cut, one sentence each


def align(stays: Trajectories, spec: Spec) -> Aligned:
    """`stays` described by `spec`; what `spec` lacks is left out, what the stays lack is never measured or not given.

    Values and doses are cut to the bounds of `spec`. ValueError for a feature, drug or context column of the same name
    in another unit, scale or coding: a number would then mean something else.
    """
    for kind, here, there in (
        ("feature", stays.spec.features, spec.features),
        ("context column", stays.spec.context, spec.context),
        ("drug", stays.spec.drugs, spec.drugs),
    ):
        _same_meaning(kind, here, there)
    names = [f.name for f in stays.spec.features]
    common = tuple(f.name for f in spec.features if f.name in names)
    if not common:
        raise ValueError(f"no feature in common: expected any of {', '.join(f.name for f in spec.features)}")
    vitals, seen, age = _features(stays, spec)
    dose, cut = _doses(stays, spec)
    context, unknown = _context(stays, spec)
    moved = stays.replace(spec=spec, vitals=vitals, seen=seen, age=age, dose=dose, context=context)
    absent = [d.name for d in spec.drugs if d.name not in [own.name for own in stays.spec.drugs]]
    notes = [f"{name} is not recorded there and counts as not given." for name in absent]
    notes += [f"{name} is not recorded there and counts as the middle of its reference range." for name in unknown]
    notes += [f"{cut:.1%} of doses lie beyond the range known at home and were cut to it."] if cut else []
    missing = tuple(f.name for f in spec.features if f.name not in common)
    return Aligned(moved, common, missing, tuple(notes))


def _same_meaning(kind: str, here: tuple[Feature, ...] | tuple[Drug, ...], there: object) -> None:
    known = {own.name: own for own in here}
    assert isinstance(there, tuple)
    for other in there:
        own = known.get(other.name)
        if own is None:
            continue
        ours, theirs = (_meaning(own), _meaning(other))
        if ours != theirs:
            raise ValueError(f"{kind} {other.name}: expected {theirs}, got {ours}; give both tasks the same")


def _meaning(one: Feature | Drug) -> tuple[object, ...]:
    return (one.unit, one.scale == "category", one.levels) if isinstance(one, Feature) else (one.unit,)


def _features(stays: Trajectories, spec: Spec) -> tuple[Tensor, Tensor, Tensor]:
    shape = stays.vitals.shape[:2]
    empty = unmeasured(spec, shape[0] * shape[1], stays.vitals.device)
    vitals, seen, age = (x.reshape(*shape, -1).clone() for x in empty)
    names = [f.name for f in stays.spec.features]
    for column, feature in enumerate(spec.features):
        if feature.name in names:
            own = names.index(feature.name)
            vitals[..., column] = stays.vitals[..., own].clamp(feature.low, feature.high)
            seen[..., column] = stays.seen[..., own]
            age[..., column] = stays.age[..., own].clamp_max(feature.max_age)
    return vitals, seen, age


def _doses(stays: Trajectories, spec: Spec) -> tuple[Tensor, float]:
    """Doses (N, T, U) of the spec's drugs, and the share of them that was cut."""
    dose = stays.dose.new_zeros(*stays.dose.shape[:2], len(spec.drugs))
    names = [d.name for d in stays.spec.drugs]
    over = 0
    for column, drug in enumerate(spec.drugs):
        if drug.name in names:
            given = stays.dose[..., names.index(drug.name)]
            over += int((given > drug.high).sum())
            dose[..., column] = given.clamp_max(drug.high)
    return dose, over / max(1, int(stays.mask.sum()) * len(spec.drugs))


def _context(stays: Trajectories, spec: Spec) -> tuple[Tensor, list[str]]:
    names = [c.name for c in stays.spec.context]
    middle = torch.tensor([c.midpoint for c in spec.context], device=stays.context.device, dtype=stays.context.dtype)
    context = middle.expand(len(stays), -1).clone()
    for column, feature in enumerate(spec.context):
        if feature.name in names:
            context[:, column] = stays.context[:, names.index(feature.name)].clamp(feature.low, feature.high)
    return context, [c.name for c in spec.context if c.name not in names]
