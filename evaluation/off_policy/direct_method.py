"""The direct method: what a fitted critic says of the first state."""

from __future__ import annotations

import numpy as np

from .estimates import Estimate
from .logged import Numbers, array


def direct_method(v: Numbers) -> Estimate:
    """Mean of the critic's value `v[:, 0]` of the state at admission; `v` (N, T+1), in units of the reward.

    Its interval shows how stays differ and leaves out the critic's own error, which no number of stays reveals: the
    verdict is never better than model-based. ValueError for another shape or a first value that is not finite.
    """
    values = array(v)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"v: expected shape (N, T+1) with at least one stay, got {values.shape}")
    first = values[:, :1]
    if not np.isfinite(first).all():
        row = int(np.argmin(np.isfinite(first[:, 0])))
        raise ValueError(f"v: got {first[row, 0]} at stay {row}, decision 0; expected finite")
    return Estimate("direct_method", first, np.ones_like(first), self_normalized=False, model_based=True)
