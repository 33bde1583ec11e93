"""Who is admitted at a reset: the seeds asked for, and where none is, the next patient of the bed's own seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..contracts import Treatment
from ..trajectories.ward import Ward, open_ward

_SEEDS = 1 << 63
_INTEGERS = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def row_seeds(seed: int | Sequence[int | None] | None, rows: int) -> list[int | None]:
    """One seed per row: `seed`, seed + 1, ..., or those of the list; ValueError where the list has another length."""
    if seed is None:
        return [None] * rows
    if isinstance(seed, int):
        return [seed + i for i in range(rows)]
    if len(seed) != rows:
        raise ValueError(f"expected one seed per row ({rows}), got {len(seed)}: pass an integer or {rows} seeds")
    return list(seed)


def readmit(
    treatment: Treatment, ward: Ward | None, seeds: Sequence[int | None], entropy: Callable[[], int], *, device: str
) -> Ward:
    """A new patient in every bed: a seeded row starts at its seed's first, another goes on to its own next.

    `entropy` gives the first seed of rows that never had one.
    """
    start = None if ward is not None or None not in seeds else entropy()
    fresh: list[int] = []
    keep: list[bool] = []
    for i, seed in enumerate(seeds):
        keep.append(seed is None and ward is not None)
        fresh.append((seed if seed is not None else (start or 0) + i) % _SEEDS)
    seed_column = torch.tensor(fresh, dtype=torch.int64, device=device)
    if ward is None:
        return open_ward(treatment, seed_column)
    kept = torch.tensor(keep, device=device)
    admission = torch.where(kept, ward.admission + 1, 0)
    return open_ward(treatment, torch.where(kept, ward.seed, seed_column), admission)


def action_tensor(treatment: Treatment, action: object, rows: int | None, device: str) -> Tensor:
    """Actions of `rows` beds, (B,) int64 or (B, U) float32, on `device`; of the one bed there is for None.

    ValueError unless they are integers in 0..A-1, or real numbers in -1..1, of the expected shape.
    """
    tensor, actions, beds = torch.as_tensor(action), treatment.actions, () if rows is None else (rows,)
    shape = beds if actions is not None else (*beds, len(treatment.spec.drugs))
    kind = "integer" if actions is not None else "real"
    fits = tensor.is_floating_point() if actions is None else tensor.dtype in _INTEGERS
    if tensor.shape != shape or not fits:
        raise ValueError(f"expected {kind} actions of shape {shape}, got {tensor.dtype} of {tuple(tensor.shape)}")
    low, high = (0, actions - 1) if actions is not None else (-1, 1)
    if tensor.numel() and not bool(((tensor >= low) & (tensor <= high)).all()):
        raise ValueError(f"expected actions in {low}..{high}, got {tensor.min().item()}..{tensor.max().item()}")
    batch = tensor.reshape(1, *shape) if rows is None else tensor
    return batch.to(device, torch.float32 if actions is None else torch.int64)
