"""Modality dropout: scans hidden from a model in training, so that missing ones are ordinary input to it.

Neverova et al. (2016), "ModDrop: adaptive multi-modal gesture recognition", IEEE TPAMI 38:1692, on whole scans.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..contracts import Spec, Trajectories
from ..trajectories.carry import carry, limits, pad


def image_dropout(spec: Spec, share: float) -> Callable[[Trajectories, torch.Generator], Trajectories] | None:
    """What hides each scan with probability `share` from stays; None where nothing is to be hidden."""
    columns = [column for column, feature in enumerate(spec.features) if feature.source == "image"]
    if not share or not columns:
        return None
    return lambda stays, generator: without_scans(stays, columns, share, generator)


def without_scans(stays: Trajectories, columns: list[int], share: float, generator: torch.Generator) -> Trajectories:
    """The stays as they would be on record had some scans not been taken: older values are carried on instead.

    The features in `columns` come from one scan and are hidden together.
    """
    image = torch.zeros(len(stays.spec.features), dtype=torch.bool)
    image[columns] = True
    gone = torch.rand(stays.seen.shape[:2], generator=generator)[:, :, None] < share
    seen = stays.seen & ~(gone & image)
    midpoint, max_age = limits(stays.spec)
    never: Tensor = image & stays.seen[:, 0] & ~seen[:, 0]
    vitals, age = torch.where(never, midpoint, stays.vitals[:, 0]), torch.where(never, max_age, stays.age[:, 0])
    path = [(vitals, age)]
    for t in range(stays.hours.shape[1]):
        path.append(carry(stays.spec, *path[-1], stays.hours[:, t], stays.vitals[:, t + 1], seen[:, t + 1]))
    return pad(
        stays.replace(vitals=torch.stack([v for v, _ in path], 1), age=torch.stack([a for _, a in path], 1), seen=seen)
    )
