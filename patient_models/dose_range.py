"""Doses and hours that no patient model accepts are refused, without a host synchronisation on the way."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Spec


def refuse_outside(spec: Spec, dose: Tensor, hours: Tensor, longest: float) -> None:
    """ValueError where a mean rate (B, U) leaves its drug's physical range or `hours` (B,) leave 0..longest.

    On an accelerator the check is asynchronous: the device raises when it gets there.
    """
    columns = [(dose[:, u] >= 0) & (dose[:, u] <= drug.high) for u, drug in enumerate(spec.drugs)]
    fine = torch.stack([*columns, (hours >= 0) & (hours <= longest)]).all()
    try:
        torch._assert_async(fine)
    except RuntimeError as error:
        raise ValueError(_explain(spec, dose, hours, longest)) from error


def _explain(spec: Spec, dose: Tensor, hours: Tensor, longest: float) -> str:
    for u, drug in enumerate(spec.drugs):
        bad = ~((dose[:, u] >= 0) & (dose[:, u] <= drug.high))
        if bad.any():
            row = int(bad.nonzero()[0])
            return f"{drug.name}: row {row} got {float(dose[row, u])} {drug.unit}; give a rate in 0..{drug.high}"
    row = int((~((hours >= 0) & (hours <= longest))).nonzero()[0])
    return f"hours: row {row} got {float(hours[row])}; this model steps 0..{longest} h: build it with longest_hours"
