"""The words of Posology: the types that every folder shares. Read this file first.

Sizes: N stays, T decisions, B parallel patients, D features, C context columns, U drugs, A discrete actions,
O observation size, M memory, Q belief, K noise columns, J constraints. Every tensor leads with the batch axis and is
float32 unless said otherwise, in clinical units. `Estimate` and `Report` live in `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

IN_CARE, DISCHARGED, DIED = 0, 1, 2


@dataclass(frozen=True)
class Feature:
    """One thing that is measured over time, or once (context)."""

    name: str
    unit: str
    low: float  # physical bounds: a value outside is a charting error
    high: float
    reference: tuple[float, float]  # reference range: its midpoint stands in for the never measured, its width scales
    scale: Literal["linear", "log", "category"] = "linear"
    max_age: float = 48.0  # hours a value is carried forward
    levels: tuple[str, ...] = ()  # names of the categories 0, 1, ...
    label: str = ""
    source: Literal["record", "image"] = "record"  # image: read in a scan by an encoder

    @property
    def midpoint(self) -> float:  # what stands in for a value that was never measured
        return 0.0 if self.scale == "category" else sum(self.reference) / 2


@dataclass(frozen=True)
class Drug:
    """One drug: a mean rate over an interval, within its physical range 0..high."""

    name: str
    unit: str  # of the rate, e.g. "ug/kg/min", "mL/h"
    high: float
    levels: tuple[float, ...] = ()  # the fixed dose of each level, in `unit`; the first is 0
    cuts: tuple[float, ...] = ()  # level of a dose = number of cuts it exceeds; one fewer than levels
    label: str = ""


@dataclass(frozen=True)
class Spec:
    """What a patient is described by; spaces, axis labels and scaling derive from it."""

    features: tuple[Feature, ...]
    drugs: tuple[Drug, ...]
    context: tuple[Feature, ...] = ()
    outcomes: tuple[str, ...] = ("in care", "discharged alive", "died")

    @property
    def actions(self) -> int:  # number of discrete ones: the product of the drugs' level counts
        return math.prod(len(drug.levels) for drug in self.drugs)

    def feature(self, name: str) -> int:  # columns by name; a KeyError names the known ones
        return _index("feature", name, [f.name for f in self.features])

    def drug(self, name: str) -> int:
        return _index("drug", name, [d.name for d in self.drugs])

    def context_column(self, name: str) -> int:
        return _index("context column", name, [c.name for c in self.context])


def _index(kind: str, name: str, known: list[str]) -> int:
    if name not in known:
        raise KeyError(f"no {kind} {name!r}; known: {', '.join(known)}")
    return known.index(name)


class _Batch:
    """Frozen dataclasses of tensors that share the leading axis: changed, picked (bool or int64) or moved as one."""

    def __len__(self) -> int:
        return len(next(v for v in vars(self).values() if isinstance(v, Tensor)))

    def replace(self, **changes: object) -> Self:
        return replace(self, **changes)  # type: ignore[type-var]

    def rows(self, index: Tensor) -> Self:
        return self.replace(**{k: v[index] for k, v in vars(self).items() if isinstance(v, Tensor)})

    def to(self, device: torch.device | str) -> Self:
        return self.replace(**{k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)})


@dataclass(frozen=True)
class Trajectories(_Batch):
    """What happened to N stays, in clinical units; no reward, which belongs to a treatment.

    State t is valid for t < length (the number of decisions), and at t = length where the outcome is 0. Elsewhere
    padding is canonical: midpoint, not seen, age `max_age`; dose and hours 0.
    """

    spec: Spec
    vitals: Tensor  # (N, T+1, D)
    seen: Tensor  # (N, T+1, D) bool: measured since the previous decision
    age: Tensor  # (N, T+1, D) hours since measured; 0 when seen
    context: Tensor  # (N, C)
    dose: Tensor  # (N, T, U) mean rate over the interval
    hours: Tensor  # (N, T) length of the interval
    mask: Tensor  # (N, T) bool: a decision was made; a prefix of each row
    outcome: Tensor  # (N,) int64: 0 in care at the end (censored), 1 discharged alive, 2 died
    subject: Tensor  # (N,) int64
    site: Tensor  # (N,) int64

    @property
    def length(self) -> Tensor:  # (N,) int64: the number of decisions of each stay
        return self.mask.sum(1)


@dataclass(frozen=True)
class PatientState(_Batch):
    """Everything needed to step a batch of patients. A stay that has ended keeps its outcome."""

    vitals: Tensor  # (B, D)
    seen: Tensor  # (B, D) bool
    age: Tensor  # (B, D) hours
    memory: Tensor  # (B, M) hidden from agents
    belief: Tensor  # (B, Q) inferred from observations; visible
    context: Tensor  # (B, C)
    hours: Tensor  # (B,) since admission
    last_dose: Tensor  # (B, U)
    total_dose: Tensor  # (B, U) rate x hours, summed
    outcome: Tensor  # (B,) int64


class PatientModel(Protocol):
    """How patients evolve: a pure function of (state, dose, hours, noise)."""

    @property
    def spec(self) -> Spec: ...
    @property
    def noise_dim(self) -> int: ...
    @property
    def admit_noise_dim(self) -> int: ...  # standard normals of an admission
    @property
    def fixed_hours(self) -> float | None: ...  # the only step the model knows, or None

    def admit(self, context: Tensor | None, noise: Tensor) -> PatientState: ...  # None draws the context (B, C) too
    def step(self, state: PatientState, dose: Tensor, hours: Tensor, noise: Tensor) -> PatientState:
        """`hours` (B,) later under rates `dose` (B, U), noise (B, noise_dim); ValueError outside a drug's range."""


@runtime_checkable
class LearnedModel(PatientModel, Protocol):
    """A patient model fitted to trajectories: an ensemble that knows where it is unsure."""

    def disagreement(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor: ...  # (B,) in scaled units


@runtime_checkable
class BeliefModel(Protocol):
    """What an observer infers of a patient from all that was observed and given, never from hidden parts."""

    @property
    def spec(self) -> Spec: ...
    @property
    def belief_dim(self) -> int: ...  # Q
    def initial_belief(self, observed: PatientState) -> Tensor: ...  # (B, Q) at admission
    def filter(self, belief: Tensor, dose: Tensor, hours: Tensor, observed: PatientState) -> Tensor: ...  # the next one
    def assimilate(self, trajectories: Trajectories) -> Tensor: ...  # (N, T+1, Q) of recorded stays; 0 in padding


@runtime_checkable
class Clinician(Protocol):
    """A documented behaviour policy that acts on the state, hidden parts included."""

    @property
    def noise_dim(self) -> int: ...
    def dose(self, state: PatientState, noise: Tensor) -> Tensor: ...  # (B, U) from standard normals (B, noise_dim)
    def log_prob(self, state: PatientState, dose: Tensor) -> Tensor: ...  # (B,) exact


@dataclass(frozen=True)
class Decisions(_Batch):
    """What agents and evaluators read, logged or simulated alike."""

    obs: Tensor  # (N, T+1, O)
    action: Tensor  # (N, T) int64, or (N, T, U)
    allowed: Tensor | None  # (N, T+1, A) bool
    reward: Tensor  # (N, T); 0 where mask is False
    hours: Tensor  # (N, T)
    mask: Tensor  # (N, T) bool, a prefix of each row
    terminated: Tensor  # (N,) bool: ended by an outcome, not by the horizon
    log_behavior: Tensor | None  # (N, T)
    subject: Tensor  # (N,) int64
    site: Tensor  # (N,) int64
    context: Tensor  # (N, C)


@runtime_checkable
class Policy(Protocol):
    """Actions, (B,) int64 or (B, U), from observations (B, O) and normals (B, noise_dim); allowed None: everything."""

    @property
    def noise_dim(self) -> int: ...
    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor: ...  # never a disallowed action
    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor: ...  # (B,); -inf: impossible


@runtime_checkable
class DiscretePolicy(Policy, Protocol):
    """A policy over A discrete actions."""

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor: ...  # (B, A), rows sum to one


@dataclass(frozen=True)
class Blend:
    """Each decision follows `policy` with probability `share`, else `base` (the true clinician, or a fitted one)."""

    policy: Policy
    base: Clinician | Policy
    share: float


class Constraint(Protocol):
    """A safety rule on doses and visible state; the same object masks, projects, trains and reports."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def limit(self) -> float: ...
    @property
    def hard(self) -> bool: ...
    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor: ...  # (B,) >= 0
    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor: ...  # (B,) bool
    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor: ...  # (B, U)


@dataclass(frozen=True)
class Step:
    """What one decision led to."""

    state: PatientState
    reward: Tensor  # (B,)
    terminated: Tensor  # (B,) bool: death or discharge
    truncated: Tensor  # (B,) bool: horizon
    costs: Tensor  # (B, J)
    dose: Tensor  # (B, U) as executed
    hours: Tensor  # (B,)
    intended: Tensor | None = None  # (B, U) as asked for, where a shield stands between
    attempted: Tensor | None = None  # (B, J) costs that it would have had


class Treatment(Protocol):
    """A patient with actions, reward, constraints and a horizon; nothing impure. Wrappers are Treatments too."""

    @property
    def patient(self) -> PatientModel: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def actions(self) -> int | None: ...  # A; None: an action is (B, U) float32, each drug's in -1..1
    @property
    def observation_dim(self) -> int: ...
    @property
    def horizon(self) -> int: ...  # decisions at most
    @property
    def horizon_hours(self) -> float: ...  # hours from admission to the horizon
    @property
    def noise_dim(self) -> int: ...
    @property
    def admit_noise_dim(self) -> int: ...
    @property
    def bootstrap_at_horizon(self) -> bool: ...
    @property
    def believer(self) -> BeliefModel | None: ...  # infers the belief that its states carry; None: they carry none

    def admit(self, noise: Tensor) -> PatientState: ...
    def observe(self, state: PatientState) -> Tensor: ...  # (B, O)
    def allowed(self, state: PatientState) -> Tensor | None: ...  # (B, A) bool; None: everything
    def encode(self, state: PatientState, dose: Tensor) -> Tensor: ...  # action (B,) or (B, U)
    def decode(self, state: PatientState, action: Tensor) -> Tensor: ...  # dose (B, U)
    def interval(self, state: PatientState, action: Tensor) -> Tensor: ...  # hours (B,)
    def reward(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor: ...  # (B,)
    def step(self, state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step: ...


Progress = Callable[[float, str], None]  # where long work reports to: the share done, 0..1, and a message


def silent(done: float, message: str) -> None:
    """Say nothing."""
