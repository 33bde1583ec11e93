"""Glucose and insulin in type 1 diabetes: the 13 equations of the UVA/Padova simulator, version 2008.

Dalla Man, Rizza & Cobelli (2007), IEEE Trans Biomed Eng 54:1740-1749; Kovatchev et al. (2009), J Diabetes Sci Technol
3:44-55. States, in order: stomach solid and liquid, gut (mg); plasma and tissue glucose (mg/kg); plasma insulin
(pmol/kg); insulin's action on use (pmol/L); delayed insulin, twice (pmol/L); liver insulin; subcutaneous insulin,
twice (pmol/kg); subcutaneous glucose (mg/kg). Per minute. As in public implementations of the table of patients, a
negative amount does not change.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .glucose_table import PARAMETERS

PMOL_PER_UNIT = 6000.0
_KEPT_POSITIVE = (4, 5, 6, 10, 11, 12, 13)  # states, counted from 1, that stand still below zero
_FLOOR = tuple(0.0 if state in _KEPT_POSITIVE else -torch.inf for state in range(1, 14))


class Body(NamedTuple):
    """Parameters of the equations, each (B,), prepared so that a slope needs few operations."""

    kabs: Tensor
    kmax: Tensor
    half_span: Tensor  # (kmax - kmin) / 2
    b: Tensor
    d: Tensor
    rise: Tensor  # 5 / 2 / (1 - b)
    fall: Tensor  # 5 / 2 / d
    appearance: Tensor  # f kabs / BW
    kp1: Tensor
    kp2: Tensor
    kp3: Tensor
    fsnc: Tensor
    ke1: Tensor
    ke2: Tensor
    k1: Tensor
    k2: Tensor
    vm0: Tensor
    vmx: Tensor
    km0: Tensor
    cleared: Tensor  # m2 + m4
    m1: Tensor
    m2: Tensor
    liver: Tensor  # m1 + m30
    ka1: Tensor
    ka2: Tensor
    kd: Tensor
    leaving: Tensor  # ka1 + kd
    per_volume: Tensor  # 1 / Vi
    p2u: Tensor
    ib: Tensor
    ki: Tensor
    ksc: Tensor
    weight: Tensor
    floor: Tensor  # (13, 1) least value from which a state changes


def body_of(parameters: Tensor, sensitivity: Tensor) -> Body:
    """The parameters from a table (32, B); `sensitivity` (B,) is the log factor on insulin's two actions."""
    p = dict(zip(PARAMETERS, parameters.unbind(0), strict=True))
    factor = sensitivity.exp()
    return Body(
        kabs=p["kabs"],
        kmax=p["kmax"],
        half_span=(p["kmax"] - p["kmin"]) / 2,
        b=p["b"],
        d=p["d"],
        rise=2.5 / (1 - p["b"]),
        fall=2.5 / p["d"],
        appearance=p["f"] * p["kabs"] / p["BW"],
        kp1=p["kp1"] + p["kp3"] * (factor - 1) * p["Ib"],  # production at basal insulin stays
        kp2=p["kp2"],
        kp3=p["kp3"] * factor,
        fsnc=p["Fsnc"],
        ke1=p["ke1"],
        ke2=p["ke2"],
        k1=p["k1"],
        k2=p["k2"],
        vm0=p["Vm0"],
        vmx=p["Vmx"] * factor,
        km0=p["Km0"],
        cleared=p["m2"] + p["m4"],
        m1=p["m1"],
        m2=p["m2"],
        liver=p["m1"] + p["m30"],
        ka1=p["ka1"],
        ka2=p["ka2"],
        kd=p["kd"],
        leaving=p["ka1"] + p["kd"],
        per_volume=1 / p["Vi"],
        p2u=p["p2u"],
        ib=p["Ib"],
        ki=p["ki"],
        ksc=p["ksc"],
        weight=p["BW"],
        floor=parameters.new_tensor(_FLOOR)[:, None],
    )


def slope(x: Tensor, b: Body, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Change per minute (13, B) of x (13, B) under inputs (B,): food mg/min, insulin pmol/kg/min, latest meal mg."""
    food, insulin, meal = inputs
    solid, liquid, gut, plasma, tissue, hormone, action, slow, slower, liver, near, far, skin = x.unbind(0)
    emptying = liquid * _emptying(solid + liquid, b, meal)
    ground = b.kmax * solid
    exchanged = torch.addcmul(b.k1 * plasma, b.k2, tissue, value=-1)
    produced = torch.addcmul(torch.addcmul(b.kp1, b.kp2, plasma, value=-1), b.kp3, slower, value=-1).clamp_min_(0)
    excreted = (plasma - b.ke2).clamp_min_(0).mul_(b.ke1)
    used = torch.addcmul(b.vm0, b.vmx, action).mul_(tissue).div_(b.km0 + tissue)
    level = hormone * b.per_volume
    absorbed, passed = b.ka2 * far, b.kd * near
    change = torch.stack(
        (
            food - ground,
            ground - emptying,
            torch.addcmul(emptying, b.kabs, gut, value=-1),
            torch.addcmul(produced, b.appearance, gut).sub_(b.fsnc).sub_(excreted).sub_(exchanged),
            exchanged - used,
            torch.addcmul(absorbed, b.m1, liver).addcmul_(b.ka1, near).addcmul_(b.cleared, hormone, value=-1),
            (level - b.ib - action).mul_(b.p2u),
            (level - slow).mul_(b.ki),
            (slow - slower).mul_(b.ki),
            torch.addcmul(b.m2 * hormone, b.liver, liver, value=-1),
            torch.addcmul(insulin, b.leaving, near, value=-1),
            passed - absorbed,
            (plasma - skin).mul_(b.ksc),
        )
    )
    return change.mul_(torch.ge(x, b.floor, out=torch.empty_like(x)))  # a float mask: several times faster


def _emptying(stomach: Tensor, b: Body, meal: Tensor) -> Tensor:
    """Rate of gastric emptying (B,) 1/min with `stomach` mg left of a `meal` (B,) mg; kmax before any meal."""
    full = stomach / meal.clamp_min(1e-6)  # share of the meal
    shape = torch.tanh(b.rise * (full - b.b)).sub_(torch.tanh(b.fall * (full - b.d)))
    fed = torch.gt(meal, 0.0, out=torch.empty_like(meal))
    return torch.addcmul(b.kmax, b.half_span, shape.mul_(fed))


def runge_kutta(x: Tensor, b: Body, inputs: tuple[Tensor, Tensor, Tensor], dt: Tensor) -> Tensor:
    """The state (13, B) dt (B,) minutes later, by the classical fourth-order method."""
    half = dt / 2
    first = slope(x, b, inputs)
    second = slope(torch.addcmul(x, half, first), b, inputs)
    third = slope(torch.addcmul(x, half, second), b, inputs)
    last = slope(torch.addcmul(x, dt, third), b, inputs)
    return torch.addcmul(x, dt / 6, second.add_(third).mul_(2).add_(first).add_(last))
