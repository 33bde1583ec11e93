"""Records through the eyes of a treatment: what agents and evaluators read."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from ..contracts import IN_CARE, Decisions, PatientState, Trajectories, Treatment
from .constraints import CLOCK

logger = logging.getLogger(__name__)


def decisions(treatment: Treatment, trajectories: Trajectories) -> Decisions:
    """The logged stays (N) as decisions: observations, actions, rewards as the treatment defines them.

    Stays longer than the horizon are cut there and count as alive at it; so do stays in care at the end of their
    record (a warning tells how many of those ended before the horizon). The behaviour's log-probabilities are
    unknown. ValueError where the records and the treatment differ in their spec.
    """
    stays = _within(treatment, trajectories)
    states = _states(treatment, stays)
    action = treatment.encode(_flat(states, stays, slice(0, -1)), stays.dose.flatten(0, 1))
    everything = _flat(states, stays, slice(None))
    allowed = treatment.allowed(everything)
    return Decisions(
        obs=_unflat(treatment.observe(everything), stays, 1),
        action=_unflat(action, stays, 0),
        allowed=None if allowed is None else _unflat(allowed, stays, 1),
        reward=_rewards(treatment, stays, states),
        hours=stays.hours,
        mask=stays.mask,
        terminated=stays.outcome != IN_CARE,
        log_behavior=None,
        subject=stays.subject,
        site=stays.site,
        context=stays.context,
    )


def logged_costs(treatment: Treatment, trajectories: Trajectories) -> Tensor:
    """Costs (N, T, J) of the logged doses under the treatment's constraints; 0 in padding. Raises as `decisions`."""
    stays = _within(treatment, trajectories)
    states = _states(treatment, stays)
    before, after = _flat(states, stays, slice(0, -1)), _flat(states, stays, slice(1, None))
    dose, hours = stays.dose.flatten(0, 1), stays.hours.flatten()
    costs = [c.cost(before, dose, hours, after) for c in treatment.constraints]
    stacked = torch.stack(costs, 1) if costs else dose.new_zeros(len(dose), 0)
    return torch.where(stays.mask[:, :, None], _unflat(stacked, stays, 0), 0.0)


def _within(treatment: Treatment, trajectories: Trajectories) -> Trajectories:
    """The stays up to the treatment's horizon."""
    t, horizon = trajectories, treatment.horizon
    if t.spec != treatment.spec:
        raise ValueError(f"records and treatment describe patients differently: {_difference(t, treatment)}")
    if t.mask.shape[1] <= horizon:
        return t
    return t.replace(
        vitals=t.vitals[:, : horizon + 1],
        seen=t.seen[:, : horizon + 1],
        age=t.age[:, : horizon + 1],
        dose=t.dose[:, :horizon],
        hours=t.hours[:, :horizon],
        mask=t.mask[:, :horizon],
        outcome=torch.where(t.length > horizon, IN_CARE, t.outcome),
    )


def _difference(trajectories: Trajectories, treatment: Treatment) -> str:
    ours, theirs = treatment.spec, trajectories.spec
    for part in ("features", "drugs", "context", "outcomes"):
        expected, got = getattr(ours, part), getattr(theirs, part)
        for a, b in zip(expected, got, strict=False):
            if a != b:
                return f"{part}: expected {a}, got {b}"
        if len(expected) != len(got):
            return f"{part}: expected {len(expected)}, got {len(got)}"
    return "unequal specs"


def _states(treatment: Treatment, stays: Trajectories) -> PatientState:
    """Every state (N, T+1, ...) as an observer knows it: no memory, and the belief that the treatment carries."""
    rows, steps = stays.vitals.shape[:2]
    start = stays.dose.new_zeros(rows, 1, stays.dose.shape[2])
    ends = torch.arange(steps, device=stays.mask.device) >= stays.length[:, None]
    return PatientState(
        vitals=stays.vitals,
        seen=stays.seen,
        age=stays.age,
        memory=stays.vitals.new_zeros(rows, steps, 0),
        belief=stays.vitals[:, :, :0] if treatment.believer is None else treatment.believer.assimilate(stays),
        context=stays.context[:, None].expand(rows, steps, -1),
        hours=torch.cat([stays.hours.new_zeros(rows, 1), stays.hours.cumsum(1)], 1),
        last_dose=torch.cat([start, stays.dose], 1),
        total_dose=torch.cat([start, (stays.dose * stays.hours[:, :, None]).cumsum(1)], 1),
        outcome=torch.where(ends, stays.outcome[:, None], IN_CARE),
    )


def _rewards(treatment: Treatment, stays: Trajectories, states: PatientState) -> Tensor:
    """Rewards (N, T): the last decision of a stay still in care is taken to reach the horizon."""
    last = torch.arange(stays.mask.shape[1] + 1, device=stays.mask.device) == stays.length[:, None]
    censored = last & (stays.outcome == IN_CARE)[:, None]
    before, dose = _flat(states, stays, slice(0, -1)), stays.dose.flatten(0, 1)
    limit = treatment.horizon_hours
    short = int((censored & (states.hours < limit - CLOCK)).sum())
    if short:
        logger.warning("%d of %d stays end in care before the horizon; they count as alive at it", short, len(stays))
    at_horizon = states.replace(hours=torch.where(censored, states.hours.clamp_min(limit), states.hours))
    reward = treatment.reward(before, dose, stays.hours.flatten(), _flat(at_horizon, stays, slice(1, None)))
    return torch.where(stays.mask, _unflat(reward, stays, 0), 0.0)


def _flat(states: PatientState, stays: Trajectories, steps: slice) -> PatientState:
    """States of the chosen time steps, (N * steps, ...), stay by stay."""
    names = [name for name, value in vars(states).items() if isinstance(value, Tensor)]
    return states.replace(**{name: getattr(states, name)[:, steps].flatten(0, 1) for name in names})


def _unflat(rows: Tensor, stays: Trajectories, extra: int) -> Tensor:
    """Back to (N, T + extra, ...)."""
    return rows.reshape(len(stays), stays.mask.shape[1] + extra, *rows.shape[1:])
