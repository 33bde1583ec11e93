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


class Rates(NamedTuple):
    """Constants of a step. Pairs (2, B) hold CD4 cells, then macrophages."""

    infection: Tensor  # (2, B) k1, k2 under treatment
    source: Tensor  # (2, 1)
    death: Tensor  # (B,)
    production: Tensor  # (B,) (1 - e2) NT delta
    clearance: Tensor  # (B,)
    response: Tensor  # (B,)


class Populations(NamedTuple):
    """The state of the equations, or their right-hand side."""

    target: Tensor  # (2, B)
    infected: Tensor  # (2, B)
    virus: Tensor  # (B,)
    effectors: Tensor  # (B,)


def advance(m: HIVMemory, efficacy: tuple[Tensor, Tensor], days: Tensor, substeps: int) -> HIVMemory:
    """The patients `days` (B,) later under efficacies (B,) of both drugs, in equal sub-steps."""
    first, second = efficacy
    rates = Rates(
        infection=torch.stack(
            ((1 - first) * m.infectivity, (1 - MACROPHAGE_EFFECT * first) * m.macrophage_infectivity)
        ),
        source=days.new_tensor(SOURCES)[:, None],
        death=m.death,
        production=(1 - second) * BURST * m.death,
        clearance=m.clearance,
        response=m.response,
    )
    p = Populations(
        torch.stack((m.healthy, m.macrophages)),
        torch.stack((m.infected, m.infected_macrophages)),
        m.virus,
        m.effectors,
    )
    dt = days / substeps
    for _ in range(substeps):
        p = _rosenbrock(p, rates, dt)
    return m._replace(
        healthy=p.target[0],
        macrophages=p.target[1],
        infected=p.infected[0],
        infected_macrophages=p.infected[1],
        virus=p.virus,
        effectors=p.effectors,
    )


def slope(p: Populations, r: Rates) -> Populations:
    """The right-hand side, per day."""
    new = r.infection * p.virus * p.target
    infected = p.infected.sum(0)
    virus = torch.addcmul(-new.sum(0), r.production, infected).addcmul_(r.clearance, p.virus, value=-1)
    killed = torch.add(r.death, p.effectors, alpha=KILLING) * p.infected
    return Populations(
        target=torch.sub(r.source - new, p.target, alpha=LOSS),
        infected=new - killed,
        virus=virus,
        effectors=(_growth(infected, r) * p.effectors).add_(EFFECTOR_SOURCE),
    )


def _growth(infected: Tensor, r: Rates) -> Tensor:
    """Net growth rate of effectors (B,), per day, among `infected` cells (B,)."""
    birth = r.response * infected / (infected + HALF_BIRTH)
    return torch.sub(birth, infected / (infected + HALF_EXHAUSTION), alpha=EXHAUSTION).sub_(EFFECTOR_LOSS)


def _rosenbrock(p: Populations, r: Rates, dt: Tensor) -> Populations:
    """One sub-step of ROS2, second order whatever the matrix, here the Jacobian without the effectors' coupling.

    Verwer, Spee, Blom & Hundsdorfer (1999), SIAM J Sci Comput 20:1456, equation 2.5. Infection is stiff: at a viral
    rebound macrophages are infected at 60 per day, and virus is cleared at 13.
    """
    solve = _Solver.of(p, r, GAMMA * dt)
    first = solve(slope(p, r))
    moved = Populations(*(torch.addcmul(x, dt, k).clamp_min_(0) for x, k in zip(p, first, strict=True)))
    second = solve(Populations(*(s.sub(k, alpha=2) for s, k in zip(slope(moved, r), first, strict=True))))
    changes = (torch.add(b, a, alpha=3).mul_(0.5 * dt) for a, b in zip(first, second, strict=True))
    return Populations(*(c.add_(x).clamp_min_(0) for c, x in zip(changes, p, strict=True)))


class _Solver(NamedTuple):
    """Solves (1 - h J) x = y by elimination; h is the diagonal's share of the sub-step."""

    target: Tensor  # (2, B) diagonal of the target cells, inverted
    infected: Tensor  # (2, B) diagonal of the infected cells, inverted
    effectors: Tensor  # (B,) diagonal of the effectors, inverted
    passing: Tensor  # (2, B) h k V: target cells turned infected
    hit: Tensor  # (2, B) h k T: per virion
    bound: Tensor  # (2, B) change of target cells per change of virus, negated
    spread: Tensor  # (2, B) change of infected cells per change of virus
    budding: Tensor  # (B,) h (1 - e2) NT delta
    virus: Tensor  # (B,) what remains of the virus's diagonal, inverted

    @classmethod
    def of(cls, p: Populations, r: Rates, h: Tensor) -> _Solver:
        scaled = h * r.infection
        passing, hit = scaled * p.virus, scaled * p.target
        target = (passing + (1 + LOSS * h)).reciprocal_()
        infected = torch.addcmul(torch.ones_like(h), h, torch.add(r.death, p.effectors, alpha=KILLING)).reciprocal()
        bound = hit * target
        spread = torch.addcmul(hit, passing, bound, value=-1).mul_(infected)
        budding = h * r.production
        inner = torch.addcmul(hit, passing, bound, value=-1).sum(0).addcmul_(h, r.clearance).add_(1)
        inner.addcmul_(budding, spread.sum(0), value=-1)
        effectors = torch.addcmul(torch.ones_like(h), h, _growth(p.infected.sum(0), r), value=-1).reciprocal_()
        return cls(target, infected, effectors, passing, hit, bound, spread, budding, inner.reciprocal_())

    def __call__(self, y: Populations) -> Populations:
        target = y.target * self.target  # were the virus not to change
        gained = self.passing * target
        infected = (y.infected + gained).mul_(self.infected)
        virus = torch.addcmul(y.virus - gained.sum(0), self.budding, infected.sum(0)).mul_(self.virus)
        return Populations(
            target=torch.addcmul(target, self.bound, virus, value=-1),
            infected=torch.addcmul(infected, self.spread, virus),
            virus=virus,
            effectors=y.effectors * self.effectors,
        )


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
