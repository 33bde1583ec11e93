"""Warfarin from the tablet to the INR: the equations of Hamberg et al. (2010), solved piece by piece.

Hamberg, Wadelius, Lindh, Dahl, Padrini, Deloukas, Rane & Jonsson (2010), "A pharmacometric model describing the
relationship between warfarin dose and INR response", Clin Pharmacol Ther 87:727-734. Amounts g in the gut and a in the
body (mg of active drug), clotting factors missing d in two chains of three stages, hours:

g' = -ka g    a' = ka g - (CL/V) a    E = C^h / (C^h + EC50^h), C = a/V
d1' = k (E - d1)    d2' = k (d1 - d2)    d3' = k (d2 - d3), k = 3/MTT    INR = base + 20 (d3 fast + d3 slow) / 2

Tablets are swallowed once a day, 0, 24, 48, ... hours after admission. Between two of them g and a are known in closed
form, and so is the answer of the chains to E, whose integral is a Gauss-Legendre sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .warfarin_spec import DAY, HIGH, LOW

TOP = 20.0  # INR above the baseline without any clotting factor
BANDS = (LOW, HIGH, 5.0)
_SPLIT = 3.0 / DAY  # a piece is integrated in two parts: the drug is absorbed in the first
_NODES = 3  # in each part


class Body(NamedTuple):
    """What changes from hour to hour."""

    gut: Tensor  # (B,) mg
    drug: Tensor  # (B,) mg
    deficit: Tensor  # (3, 2, B)
    diet: Tensor  # (B,)
    inr: Tensor  # (B,)
    highest: Tensor  # (B,)
    bands: Tensor  # (4, B) hours


class Course(NamedTuple):
    """What is constant over a step, of each patient (B,)."""

    absorption: float  # ka, 1/h
    elimination: Tensor  # CL/V, 1/h
    hill: float
    log_half: Tensor  # logarithm of the amount in the body of half effect, on a usual diet
    sway: float  # SD of log EC50 due to diet
    rates: Tensor  # (2, 1) k of the chains, 1/h
    baseline: Tensor


class Piece(NamedTuple):
    """A time between two tablets, the same for all (last axis 1) or each patient's own (B); Q nodes, then the end."""

    hours: Tensor  # (1 | B,)
    kept: Tensor  # (Q + 1, B) share of the drug in the body that is still there
    entered: Tensor  # (Q + 1, B) share of the drug in the gut that is there by then
    left: Tensor  # (1 | B,) share still in the gut at the end
    passed: Tensor  # (2, 1 | B) k x hours
    gather: Tensor  # (3, 2, Q, 1 | B) what the effect at each node adds to each stage


def piece(course: Course, hours: Tensor) -> Piece:
    """The constants of a piece of `hours` (1 | B,), at most a day."""
    share, weight = (hours.new_tensor(x)[:, None] for x in _rule())
    at = torch.cat((share * hours, hours[None]))  # (Q + 1, 1 | B)
    kept, gut = torch.exp(-course.elimination * at), torch.exp(-course.absorption * at)
    entered = course.absorption / (course.absorption - course.elimination) * (kept - gut)
    since = course.rates[:, None] * (hours - at[:-1])  # (2, Q, 1 | B) k x time from the node to the end
    now = weight * hours * course.rates[:, None] * torch.exp(-since)
    gather = torch.stack((now, now * since, now * since * since / 2))
    return Piece(hours, kept, entered, gut[-1], course.rates * hours, gather)


def swallow(body: Body, amount: Tensor, kept: float, shock: Tensor) -> Body:
    """A tablet of `amount` (B,) mg active drug; the diet of the day follows `shock` (B,) standard normals."""
    diet = kept * body.diet + (1 - kept * kept) ** 0.5 * shock
    return body._replace(gut=body.gut + amount, diet=diet)


def live(body: Body, course: Course, p: Piece) -> Body:
    """The patients at the end of a piece."""
    drug = body.drug * p.kept + body.gut * p.entered
    over = drug[:-1].log() - (course.log_half + course.sway * body.diet)
    effect = torch.sigmoid(course.hill * over)  # (Q, B); no drug: the sigmoid of minus infinity
    one, two, three = body.deficit
    held = torch.stack((one, two + p.passed * one, three + p.passed * (two + p.passed / 2 * one)))
    deficit = torch.exp(-p.passed) * held + _weighted(p.gather, effect)
    inr = course.baseline + TOP / 2 * deficit[2].sum(0)
    return Body(
        gut=body.gut * p.left,
        drug=drug[-1],
        deficit=deficit,
        diet=body.diet,
        inr=inr,
        highest=torch.maximum(body.highest, inr),
        bands=body.bands + p.hours * shares(body.inr, inr),
    )


def shares(first: Tensor, last: Tensor) -> Tensor:
    """Shares of a time (4, B) that an INR spends in each band if it runs straight from `first` to `last` (B,)."""
    low, high = torch.minimum(first, last), torch.maximum(first, last)
    cuts = first.new_tensor(BANDS)[:, None]
    below = ((cuts - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    return torch.diff(below, dim=0, prepend=torch.zeros_like(below[:1]), append=torch.ones_like(below[:1]))


def choose(rows: Tensor, a: Body, b: Body) -> Body:
    """Row i of `a` where `rows[i]` (B,) bool, else of `b`."""
    return Body(*(torch.where(rows, x, y) for x, y in zip(a, b, strict=True)))


def _weighted(gather: Tensor, effect: Tensor) -> Tensor:
    """The sum over nodes (3, 2, B)."""
    if gather.shape[-1] == 1:
        together: Tensor = (gather[..., 0].flatten(0, 1) @ effect).unflatten(0, gather.shape[:2])
        return together
    return (gather * effect).sum(2)


def _rule() -> tuple[list[float], list[float]]:
    """Places and weights of the nodes, as shares of a piece."""
    place, weight = np.polynomial.legendre.leggauss(_NODES)
    parts = ((0.0, _SPLIT), (_SPLIT, 1.0))
    places = np.concatenate([a + (b - a) * (place + 1) / 2 for a, b in parts])
    return places.tolist(), np.concatenate([(b - a) * weight / 2 for a, b in parts]).tolist()
