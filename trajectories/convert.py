"""Trajectories as a table, for those who think in data frames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..contracts import Trajectories
from .carry import valid_states


def to_frame(trajectories: Trajectories) -> pd.DataFrame:
    """One row per observed state, with the dose given from then on (NaN at a last state, where no decision followed).

    Columns: stay, subject, step, time (hours since the first decision), each feature, NAME_seen and NAME_age, each
    context column, each drug, hours (of the interval; NaN at a last state), outcome.
    """
    t, spec = trajectories.to("cpu"), trajectories.spec
    row, step = (index.numpy() for index in valid_states(t).nonzero(as_tuple=True))
    decided = step < t.length.numpy()[row]
    started = np.concatenate((np.zeros((len(t), 1)), t.hours.double().cumsum(1).numpy()), 1)
    columns = {"stay": row, "subject": t.subject.numpy()[row], "step": step, "time": started[row, step]}
    for i, feature in enumerate(spec.features):
        columns[feature.name] = t.vitals.numpy()[row, step, i]
        columns[f"{feature.name}_seen"] = t.seen.numpy()[row, step, i]
        columns[f"{feature.name}_age"] = t.age.numpy()[row, step, i]
    for i, feature in enumerate(spec.context):
        columns[feature.name] = t.context.numpy()[row, i]
    last = np.minimum(step, t.mask.shape[1] - 1)
    for i, drug in enumerate(spec.drugs):
        columns[drug.name] = np.where(decided, t.dose.numpy()[row, last, i], np.nan)
    columns["hours"] = np.where(decided, t.hours.numpy()[row, last], np.nan)
    columns["outcome"] = t.outcome.numpy()[row]
    return pd.DataFrame(columns)
