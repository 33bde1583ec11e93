"""How much an ensemble disagrees about what clinicians usually do: the yardstick of pessimism, from records alone."""

from __future__ import annotations

import torch

from ..contracts import Trajectories
from .lstm_ensemble import LSTMEnsemble

STAYS = 1000  # looked at, at most: their memories are held at once


@torch.no_grad()
def usual_disagreement(model: LSTMEnsemble, stays: Trajectories, share: float) -> float:
    """The disagreement that a `share` of the logged decisions stays under; ValueError where there is no decision.

    Stays that the model was not fitted to tell more than those that it was.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share of decisions between 0 and 1, got {share}")
    some = stays.rows(torch.arange(min(len(stays), STAYS), device=stays.mask.device))
    number, step = some.mask.nonzero(as_tuple=True)
    if not len(number):
        raise ValueError("expected at least one logged decision, got none")
    states = model.resume(some).rows(number * (some.mask.shape[1] + 1) + step)
    found = model.disagreement(states, some.dose[number, step], some.hours[number, step])
    return float(found.double().quantile(share))
