"""What studies of pessimism start from: logged stays, two simulators, and the fitted clinician, kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from ...agents.behavior import BehaviorConfig, BehaviorPolicy, fit_behavior
from ...agents.imitation import ImitationConfig, imitate
from ...agents.masked_ppo import MaskedPPOConfig
from ...agents.network import NetworkPolicy
from ...agents.records import LoggedData
from ...agents.save import load_policy, save_policy
from ...contracts import Policy, Trajectories, Treatment
from ...envs import decisions, treatment
from ...evaluation.anchored import anchored, observed_returns
from ...evaluation.off_policy.logged import Array
from ...evaluation.true_value import Value, rollout_value
from ...patient_models import load_model
from ...patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm
from ...trajectories.rollout import rollout
from ..sources import clinician, true_treatment

SEEDS = 1_000_000  # patients of one cohort lie so far from those of the next
CONFOUNDING = 1.0  # how strongly doses follow the severity that records show, as in runs
SECOND = 100  # from the first simulator's seed
JUDGED = 10**8  # seeds of the patients on whom policies are valued, the same for all


@dataclass(frozen=True)
class World:
    """A patient whose truth is known, and how much of it is logged."""

    name: str  # of the data source
    stays: int
    tuning: int  # of them, on which training stops early and support is judged
    simulator: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # settings of the ensemble
    environment: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # of the learned patient

    def truth(self) -> Treatment:
        """Where policies are truly worth something."""
        return true_treatment(self.name)


SEPSIS = World("sepsis", 5000, 1000)
ICU_SEPSIS = World("icu_sepsis", 1000, 200, MappingProxyType({"epochs": 20}), MappingProxyType({"horizon": 50}))


@dataclass(frozen=True)
class Ground:
    """A cohort and all that was fitted to it."""

    world: World
    seed: int
    stays: Trajectories
    tuning: Trajectories
    logged: LoggedData
    patient: LSTMEnsemble
    second: LSTMEnsemble  # of other networks and patients drawn anew; no policy learns in it
    behavior: BehaviorPolicy
    start: NetworkPolicy
    _clinician: dict[int, Value] = field(default_factory=dict, init=False, repr=False)  # by number of stays

    @cached_property
    def observed(self) -> Array:
        """Returns (N,) of all logged stays."""
        return np.concatenate([observed_returns(part, 1.0) for part in (self.logged.train, self.logged.tuning)])

    def checked(self, policy: Policy, stays: int) -> float:
        """What runs claim by default: observed, plus the gain over the fitted clinician in the second simulator."""
        place = treatment("posology/Learned-v0", model=self.second, **self.world.environment)
        if stays not in self._clinician:
            self._clinician[stays] = rollout_value(place, self.behavior, stays, JUDGED)
        return anchored(rollout_value(place, policy, stays, JUDGED), self._clinician[stays], self.observed)[0]

    def simulator(self, **pessimism: Any) -> Treatment:
        """The learned environment."""
        return treatment("posology/Learned-v0", model=self.patient, **self.world.environment, **pessimism)


def cohort(world: World, seed: int) -> Trajectories:
    """Stays under the documented clinician of the world, as far as records show them."""
    actor = clinician(world.name, CONFOUNDING, 0.0)
    return rollout(world.truth(), actor, world.stays, seed=SEEDS * (seed + 1)).trajectories


def ground(world: World, seed: int, folder: Path) -> Ground:
    """Log a cohort and fit everything to it; what `folder` holds already is taken from there."""
    stays, place = cohort(world, seed), folder / f"{world.name}_{seed}"
    cut = world.stays - world.tuning
    train, tuning = stays.rows(torch.arange(cut)), stays.rows(torch.arange(cut, world.stays))

    def ensemble(name: str, config: LSTMConfig, own_seed: int) -> LSTMEnsemble:
        model = _kept(place / name, lambda: fit_lstm(train, tuning, config, seed=own_seed), load_model)
        assert isinstance(model, LSTMEnsemble)
        return model

    patient = ensemble("simulator", LSTMConfig(**world.simulator), seed)
    second = ensemble("second", LSTMConfig(**{**world.simulator, "members": 2, "bootstrap": True}), seed + SECOND)
    env = treatment("posology/Learned-v0", model=patient, **world.environment)
    logged = LoggedData(decisions(env, train), decisions(env, tuning))
    config = BehaviorConfig(actions=env.spec.actions, members=1)
    behavior = _kept_policy(place / "behavior", lambda: fit_behavior(logged.train, logged.tuning, config, seed=0))
    network = ImitationConfig(MaskedPPOConfig.hidden, MaskedPPOConfig.activation)
    start = _kept_policy(place / "imitation", lambda: imitate(logged.train, behavior, network, seed=0))
    assert isinstance(start, NetworkPolicy)
    return Ground(world, seed, stays, tuning, logged, patient, second, behavior, start)


def _kept(place: Path, make: Callable[[], LSTMEnsemble], load: Callable[[Path], Any]) -> Any:
    if not place.is_dir():
        make().save(place)
    return load(place)


def _kept_policy(place: Path, make: Callable[[], Any]) -> Any:
    if not place.is_dir():
        save_policy(make(), place)
    return load_policy(place)
