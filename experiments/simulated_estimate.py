"""The learned simulator as an estimator: each policy rolled out in it from the first states of the held-out stays."""

from __future__ import annotations

import torch

from ..contracts import IN_CARE, Decisions, PatientState, Trajectories, Treatment
from ..evaluation import Estimate
from ..evaluation.off_policy import simulated_direct_method
from ..evaluation.off_policy.estimates import cluster_of
from ..patient_models.lstm import LSTMEnsemble
from .judged import Actor

REPEATS = 2  # courses of every stay
_APART = 5 * 10**8  # from the seeds of the patients that policies are judged on


def first_states(patient: LSTMEnsemble, stays: Trajectories) -> PatientState:
    """The first state (N rows) of every stay as the learned patient takes it up."""
    opening = stays.replace(
        vitals=stays.vitals[:, :2],
        seen=stays.seen[:, :2],
        age=stays.age[:, :2],
        dose=stays.dose[:, :1],
        hours=stays.hours[:, :1],
        mask=stays.mask[:, :1],
        outcome=torch.where(stays.length > 1, IN_CARE, stays.outcome),
    )
    return patient.resume(opening).rows(2 * torch.arange(len(stays), device=stays.mask.device))


def simulated_estimate(
    simulator: Treatment, actor: Actor, first: PatientState, held_out: Decisions, *, discount: float, seed: int
) -> Estimate:
    """What the learned simulator says of an actor, from the `first` states of the held-out stays.

    Every policy meets the same patients and the same chance. A policy of continuous doses gives those, not levels.
    """
    return simulated_direct_method(
        simulator,
        actor,
        first,
        discount=discount,
        repeats=REPEATS,
        seed=seed + _APART,
        cluster=cluster_of(held_out.subject, len(held_out)),
    )
