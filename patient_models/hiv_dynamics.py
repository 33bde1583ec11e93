"""HIV against the immune system: the six equations of Adams et al. (2004), integrated implicitly.

Adams, Banks, Kwon & Tran (2004), "Dynamic multidrug therapies for HIV", Math Biosci Eng 1(2):223-241, equation 2.1;
parameters of its table 1. Per day and mL, efficacies e1 (reverse transcriptase) and e2 (protease):

T1'  = l1 - d1 T1 - (1 - e1) k1 V T1                 T1*' = (1 - e1) k1 V T1 - delta T1* - m1 E T1*
T2'  = l2 - d2 T2 - (1 - f e1) k2 V T2               T2*' = (1 - f e1) k2 V T2 - delta T2* - m2 E T2*
V'   = (1 - e2) NT delta (T1* + T2*) - c V - [(1 - e1) rho1 k1 T1 + (1 - f e1) rho2 k2 T2] V
E'   = lE + bE I E / (I + Kb) - dE I E / (I + Kd) - deltaE E,   I = T1* + T2*
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .hiv_memory import HIVMemory

SOURCES = (1e4, 31.98)  # l1, l2, cells/mL/day; rho1 = rho2 = 1
LOSS = 0.01  # d1 = d2, 1/day
MACROPHAGE_EFFECT = 0.34  # f
KILLING = 1e-5  # m1 = m2, mL/cell/day
BURST = 100.0  # NT, virions per infected cell
EFFECTOR_SOURCE, EFFECTOR_LOSS = 1.0, 0.1  # lE cells/mL/day, deltaE 1/day
HALF_BIRTH, EXHAUSTION, HALF_EXHAUSTION = 100.0, 0.25, 500.0  # Kb cells/mL, dE 1/day, Kd cells/mL
GAMMA = 1 - 0.5**0.5  # of the Rosenbrock method, for which it is L-stable


PARTS = (
    2,
    2,
    1,
    1,
)  # rows of the populations (6, B): target cells, infected cells (CD4, macrophages), virus, effectors


class Rates(NamedTuple):
    """Constants of a step. Pairs (2, B) hold CD4 cells, then macrophages; h is the implicit share of a sub-step."""

    infection: Tensor  # (2, B) k1, k2 under treatment
    source: Tensor  # (2, 1)
    death: Tensor  # (1, B)
    production: Tensor  # (1, B) (1 - e2) NT delta
    clearance: Tensor  # (1, B)
    growth: Tensor  # (1, B) bE - dE - deltaE
    half: Tensor  # (2, 1) Kb, Kd
    birth: Tensor  # (1, B) -bE Kb
    dt: Tensor  # (1, B) days
    h: Tensor  # (1, B)
    h_infection: Tensor  # (2, B)
    h_killing: Tensor  # (1, B)
    h_production: Tensor  # (1, B)
    diagonals: tuple[Tensor, Tensor, Tensor, Tensor]  # (1, B) each: 1; 1 + h d; 1 + h delta; 1 + h c

    @classmethod
    def of(cls, m: HIVMemory, efficacy: tuple[Tensor, Tensor], dt: Tensor) -> Rates:
        """The constants under efficacies (B,) of both drugs, in sub-steps of dt (B,) days."""
        first, second = efficacy
        free = torch.stack((1 - first, 1 - MACROPHAGE_EFFECT * first))
        infection = free * torch.stack((m.infectivity, m.macrophage_infectivity))
        production, h = (1 - second) * BURST * m.death, GAMMA * dt
        row = torch.stack((m.death, production, m.clearance, m.response, dt, h, torch.ones_like(h))).unsqueeze(1)
        death, production, clearance, response, dt, h, one = row.unbind(0)
        return cls(
            infection=infection,
            source=dt.new_tensor(SOURCES)[:, None],
            death=death,
            production=production,
            clearance=clearance,
            growth=response - EXHAUSTION - EFFECTOR_LOSS,
            half=dt.new_tensor((HALF_BIRTH, HALF_EXHAUSTION))[:, None],
            birth=-HALF_BIRTH * response,
            dt=dt,
            h=h,
            h_infection=h * infection,
            h_killing=h * KILLING,
            h_production=h * production,
            diagonals=(one, one + h * LOSS, one + h * death, one + h * clearance),
        )


def advance(m: HIVMemory, efficacy: tuple[Tensor, Tensor], days: Tensor, substeps: int) -> HIVMemory:
    """The patients `days` (B,) later under efficacies (B,) of both drugs, in equal sub-steps."""
    rates = Rates.of(m, efficacy, days / substeps)
    y = torch.stack((m.healthy, m.macrophages, m.infected, m.infected_macrophages, m.virus, m.effectors))
    for _ in range(substeps):
        y = _rosenbrock(y, rates)
    return HIVMemory(*m[: -len(y)], *y.unbind(0))


def slope(y: Tensor, r: Rates) -> tuple[Tensor, Tensor]:
    """The right-hand side (6, B), per day, and in it the growth rate of effectors (1, B)."""
    target, infected, virus, effectors = y.split(PARTS)
    new = (target * virus).mul_(r.infection)
    both = infected.sum(0, keepdim=True)
    below = (both + r.half).reciprocal_()  # bE I / (I + K) = bE - bE K / (I + K)
    growth = torch.addcmul(r.growth, r.birth, below[:1]).add_(below[1:], alpha=EXHAUSTION * HALF_EXHAUSTION)
    killing = torch.add(r.death, effectors, alpha=KILLING)
    budding = torch.addcmul(both * r.production, r.clearance, virus, value=-1)
    parts = (
        torch.sub(r.source, target, alpha=LOSS).sub_(new),
        torch.addcmul(new, killing, infected, value=-1),
        budding.sub_(new.sum(0, keepdim=True)),
        (growth * effectors).add_(EFFECTOR_SOURCE),
    )
    return torch.cat(parts), growth


def _rosenbrock(y: Tensor, r: Rates) -> Tensor:
    """The populations (6, B) a sub-step later, by ROS2 with the Jacobian less the effectors' coupling.

    Second order whatever the matrix: Verwer, Spee, Blom & Hundsdorfer (1999), SIAM J Sci Comput 20:1456, eq. 2.5.
    Infection is stiff: at a viral rebound macrophages are infected at 60 per day, and virus is cleared at 13.
    """
    change, growth = slope(y, r)
    solve = _Solver.of(y, growth, r)
    first = solve(change)
    change, _ = slope(torch.addcmul(y, r.dt, first).clamp_min_(0), r)
    second = solve(change.sub_(first, alpha=2))
    return torch.addcmul(y, r.dt, second.add_(first, alpha=3), value=0.5).clamp_min_(0)


class _Solver(NamedTuple):
    """Solves (1 - h J) x = y by elimination; the diagonals are inverted."""

    target: Tensor  # (2, B) diagonal
    infected: Tensor  # (2, B) diagonal
    effectors: Tensor  # (1, B) diagonal
    passing: Tensor  # (2, B) h k V: target cells turned infected
    bound: Tensor  # (2, B) loss of target cells per gain of virus
    spread: Tensor  # (2, B) gain of infected cells per gain of virus
    budding: Tensor  # (1, B) h (1 - e2) NT delta
    virus: Tensor  # (1, B) what the elimination leaves of the diagonal

    @classmethod
    def of(cls, y: Tensor, growth: Tensor, r: Rates) -> _Solver:
        targets, _, viruses, effectors = y.split(PARTS)
        one, lost, dead, cleared = r.diagonals
        passing, hit = r.h_infection * viruses, r.h_infection * targets
        target = (passing + lost).reciprocal_()
        infected = torch.addcmul(dead, r.h_killing, effectors).reciprocal_()
        bound = hit * target
        net = hit.addcmul_(passing, bound, value=-1)
        spread = net * infected
        virus = torch.addcmul(cleared, r.h_production, spread.sum(0, keepdim=True), value=-1)
        virus.add_(net.sum(0, keepdim=True)).reciprocal_()
        stay = torch.addcmul(one, r.h, growth, value=-1).reciprocal_()
        return cls(target, infected, stay, passing, bound, spread, r.h_production, virus)

    def __call__(self, y: Tensor) -> Tensor:
        targets, infecteds, viruses, effectors = y.split(PARTS)
        target = targets * self.target  # were the virus not to change
        gained = self.passing * target
        infected = (infecteds + gained).mul_(self.infected)
        virus = torch.addcmul(viruses, self.budding, infected.sum(0, keepdim=True))
        virus.sub_(gained.sum(0, keepdim=True)).mul_(self.virus)
        target.addcmul_(self.bound, virus, value=-1)
        infected.addcmul_(self.spread, virus)
        return torch.cat((target, infected, virus, effectors * self.effectors))


def set_point(
    infectivity: tuple[Tensor, Tensor], death: Tensor, clearance: Tensor, response: Tensor
) -> tuple[Tensor, ...]:
    """The untreated steady state (T1, T2, T1*, T2*, V, E), each (B,), of patients with these traits (B,).

    Given E, the steady virus solves sum_i k_i l_i (NT delta / (delta + m E) - 1) / (d + k_i V) = c, a quadratic in V;
    E follows from the infected cells, and a few rounds settle both.
    """
    first, second = infectivity
    effectors = torch.full_like(death, 20.0)
    for _ in range(8):
        yields = BURST * death / (death + KILLING * effectors) - 1
        a, b = first * SOURCES[0] * yields, second * SOURCES[1] * yields
        square = clearance * first * second
        linear = clearance * LOSS * (first + second) - a * second - b * first
        constant = LOSS * (clearance * LOSS - a - b)
        virus = ((linear * linear - 4 * square * constant).clamp_min(0).sqrt() - linear) / (2 * square)
        virus = virus.clamp_min(0)
        targets = [s / (LOSS + k * virus) for s, k in zip(SOURCES, infectivity, strict=True)]
        infected = [k * virus * t / (death + KILLING * effectors) for k, t in zip(infectivity, targets, strict=True)]
        total = infected[0] + infected[1]
        effectors = EFFECTOR_SOURCE / -effector_growth(total, response)
    return (*targets, *infected, virus, effectors)


def effector_growth(infected: Tensor, response: Tensor) -> Tensor:
    """Net growth rate of effectors (B,), per day, held at -.01 or below: else they would control the infection."""
    birth = response * infected / (infected + HALF_BIRTH)
    rate = birth - EXHAUSTION * infected / (infected + HALF_EXHAUSTION) - EFFECTOR_LOSS
    return rate.clamp_max(-0.01)
