"""Agents on four patients whose truth is known: what each truly gets, what it claims, how often it breaks a limit.

`python -m posology.experiments.studies.agents [SOURCE ...] [--seeds 3]`. Nothing is chosen or tuned by the truth:
agents have their defaults, but that values settle before early stopping; penalties are those of `PLANS`, chosen by
support on tuning patients. Every cell is kept in `docs/results/agents_SOURCE.json` as soon as it is there and
is not computed again; the learned patient is kept in `runs/agents`. The page is `docs/agents.md`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...agents.batch_constrained import SupportedPolicy
from ...agents.behavior import BehaviorConfig, fit_behavior
from ...agents.greedy import GreedyPolicy
from ...agents.imitation import ImitationConfig, imitate
from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.network import NetworkPolicy
from ...agents.offline import Schedule
from ...agents.records import LoggedData
from ...agents.selection import Candidate, select
from ...agents.support import unsupported_share
from ...agents.table import agent, parameter_type
from ...contracts import Clinician, DiscretePolicy, PatientModel, Policy, Trajectories, Treatment
from ...envs import decisions, treatment
from ...evaluation.off_policy.critics import CriticConfig
from ...evaluation.off_policy.estimates import Estimate
from ...evaluation.off_policy.fitted_q_evaluation import fitted_q_evaluation
from ...evaluation.off_policy.logged import Array
from ...evaluation.true_value import mean_interval, rollout_value
from ...patient_models import load_model
from ...patient_models.lstm import LSTMConfig, fit_lstm
from ...trajectories.checkpoint import Checkpoint
from ...trajectories.rollout import rollout
from ..sources import clinician, source, true_treatment
from ..stages import write_text
from .patient_policies import FIRST, FIRST_CHOICE, fixed_doses

LOGGED = 5 * 10**12  # seeds of the logged stays
MET = 6 * 10**12  # ... and of the patients met in training
PATIENTS = 2000  # on whom everybody is judged, the same ones
CHOOSING = 300  # others, on whom the best fixed dose is chosen
LIMIT = 0.05  # greatest unsupported share: the default of a run
LEVELS = ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q")
CRITIC = CriticConfig(members=1)
Found = dict[str, Any]
Cell = tuple[str, Callable[[], Found]]  # its key, and how it is computed


@dataclass(frozen=True)
class Plan:
    """How one source is studied."""

    penalties: tuple[float, ...]
    train: int = 1500  # logged stays
    tuning: int = 500
    steps: int = 100_000  # decisions of PPO, in the simulator and in the truth
    continuous: bool = False  # whether TD3+BC learns continuous doses here


PLANS = {
    "sepsis": Plan((3.0, 10.0, 30.0)),
    "warfarin": Plan((1.0, 3.0), continuous=True),
    "tumor": Plan((1.0, 3.0)),
    "propofol": Plan((0.03,), train=750, tuning=250, continuous=True),
}


class Study:
    """What the cells of one source share, each made when it is first asked for."""

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.plan, self.work = name, PLANS[name], work / name
        self.core = true_treatment(name)
        self._kept: dict[str, Any] = {}

    def kept(self, key: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def stays(self, part: str) -> Trajectories:
        """Logged stays of the documented clinician, `train` or `tuning`."""
        plan = self.plan

        def roll() -> Trajectories:
            care = clinician(self.name, 1.0, 0.0)
            return rollout(self.core, care, plan.train + plan.tuning, seed=LOGGED).trajectories

        everyone: Trajectories = self.kept("stays", roll)
        rows = torch.arange(plan.train + plan.tuning)
        return everyone.rows(rows[: plan.train] if part == "train" else rows[plan.train :])

    def logged(self, core: Treatment) -> LoggedData:
        """The stays as decisions of a treatment, levels or continuous."""
        made: LoggedData = self.kept(
            f"logged {core.actions}",
            lambda: LoggedData(decisions(core, self.stays("train")), decisions(core, self.stays("tuning"))),
        )
        return made

    def patient(self) -> PatientModel:
        """The learned patient, kept on disk."""

        def fit() -> PatientModel:
            folder = self.work / "model"
            if not folder.is_dir():
                settings = LSTMConfig(members=2, epochs=20, patience=4)
                place = Checkpoint.within(self.work, "lstm")
                fit_lstm(self.stays("train"), self.stays("tuning"), settings, seed=0, checkpoint=place).save(folder)
            return load_model(folder)

        model: PatientModel = self.kept("patient", fit)
        return model

    def simulator(self, penalty: float) -> Treatment:
        """The learned patient with the reward, times and limits of the true one."""
        hours = self.core.horizon_hours / self.core.horizon
        visits = "anticoagulation_clinic" if self.name == "warfarin" else None
        return treatment(
            "posology/Learned-v0",
            model=self.patient(),
            penalty=penalty,
            horizon=self.core.horizon,
            interval_hours=hours,
            visits=visits,
            reward=source(self.name).reward,
        )

    def behavior(self) -> DiscretePolicy:
        """The fitted clinician."""
        data, actions = self.logged(self.core), self.core.spec.actions
        made: DiscretePolicy = self.kept(
            "behavior", lambda: fit_behavior(data.train, data.tuning, BehaviorConfig(actions=actions, members=1))
        )
        return made

    def start(self) -> NetworkPolicy:
        """The fitted clinician in the network that PPO begins with."""
        settings = ImitationConfig(hidden=MaskedPPOConfig.hidden, activation=MaskedPPOConfig.activation)
        train = self.logged(self.core).train
        made: NetworkPolicy = self.kept("start", lambda: imitate(train, self.behavior(), settings, seed=0))
        return made

    def judged(self, core: Treatment, actor: Policy | Clinician) -> Found:
        """What an actor truly gets: value, difference from the clinician, decisions that break a hard limit."""
        base: Array = self.kept("base", lambda: _course(self.core, clinician(self.name, 1.0, 0.0))[0])
        returns, broken, made = _course(core, actor)
        rate = Estimate("violations", broken[:, None], made[:, None], True)
        low, high = mean_interval(returns)
        gap = returns - base
        return {
            "true": float(returns.mean()),
            "low": low,
            "high": high,
            "gain": [float(gap.mean()), *mean_interval(gap)],
            "violations": [float(rate.value), *(float(x) for x in rate.interval(seed=0))],
        }


def _course(core: Treatment, actor: Policy | Clinician) -> tuple[Array, Array, Array]:
    """Returns (N,), decisions that break any hard limit (N,) and all decisions (N,) of the patients judged on."""
    done = rollout(core, actor, PATIENTS, seed=FIRST)
    hard = torch.tensor([constraint.hard for constraint in core.constraints], dtype=torch.bool)
    broken = (done.costs[:, :, hard] > 0).any(2) & done.decisions.mask
    parts = (done.returns, broken.sum(1), done.decisions.mask.sum(1))
    returns, broke, made = (part.double().numpy() for part in parts)
    return returns, broke, made


def baselines(study: Study) -> Iterator[Cell]:
    """The clinician, the published rules and the best fixed dose."""
    name, core = study.name, study.core
    yield "clinician", partial(study.judged, core, clinician(name, 1.0, 0.0))
    for rule in source(name).rules:
        yield f"rule:{rule.label}", partial(study.judged, core, rule.acting())

    def best() -> Found:
        worth = {
            label: rollout_value(core, policy, CHOOSING, FIRST_CHOICE).value for label, policy in fixed_doses(core)
        }
        label = max(worth, key=worth.__getitem__)
        return {**study.judged(core, dict(fixed_doses(core))[label]), "dose": label}

    yield "best_fixed", best


def offline(study: Study, name: str, seed: int) -> Found:
    """An agent that learns from the records: its true value, what fitted Q evaluation and its own values claim."""
    core = true_treatment(study.name, action="continuous") if name == "td3_bc" else study.core
    data, fit = study.logged(core), agent(name)
    fixed: dict[str, Any] = {} if name == "td3_bc" else {"actions": core.spec.actions}
    if name != "cloning":  # values take about an epoch for each decision that they travel back from a stay's end
        fixed["schedule"] = Schedule(settle=round(float(data.train.mask.sum(1).float().mean())))
    policy = fit(data, parameter_type(fit, "config")(**fixed), seed=seed)
    critic = fitted_q_evaluation(data.tuning, policy, train=data.train, config=CRITIC, seed=seed)
    own = _own_claim(policy, data.tuning.obs[:, 0])
    return {**study.judged(core, policy), "claimed": float(critic.v[:, 0].mean()), "own": own}


def _own_claim(policy: Policy, obs: Tensor) -> float | None:
    """Mean value that an agent's own network gives its choices at admission (B, O), where it keeps one."""
    network = {GreedyPolicy: "network", SupportedPolicy: "values"}.get(type(policy))
    if network is None or not isinstance(policy, DiscretePolicy):
        return None
    return float((getattr(policy, network)(obs) * policy.probs(obs, None)).sum(1).mean())


def simulated(study: Study, seed: int) -> Found:
    """PPO in the learned patient, without a penalty and with the one chosen by support on tuning patients."""
    claims, tried = study.simulator(0.0), {}
    settings = MaskedPPOConfig(steps=study.plan.steps, first_seed=MET + seed * 10**8)
    for penalty in (0.0, *study.plan.penalties):
        policy = fit_masked_ppo(study.simulator(penalty), settings, start=study.start(), seed=seed)
        assert isinstance(policy, NetworkPolicy)
        share = unsupported_share(study.logged(study.core).tuning, policy, study.behavior())
        claimed = rollout_value(claims, policy, PATIENTS, FIRST).value
        tried[penalty] = {**study.judged(study.core, policy), "claimed": claimed, "unsupported": share}
    candidates = [Candidate(penalty, tried[penalty]["unsupported"]) for penalty in study.plan.penalties]
    chosen = study.plan.penalties[select(candidates, limit=LIMIT)]
    return {
        "free": tried[0.0],
        "penalised": {**tried[chosen], "penalty": chosen},
        "tried": {f"{penalty:g}": row for penalty, row in tried.items()},
    }


def true_ppo(study: Study, seed: int) -> Found:
    """PPO in the true patient: an upper bound that no record gives."""
    settings = MaskedPPOConfig(steps=3 * study.plan.steps, first_seed=MET + seed * 10**8)
    return study.judged(study.core, fit_masked_ppo(study.core, settings, seed=seed))


def cells(study: Study, seeds: int) -> Iterator[Cell]:
    """Everything, the first seed of all agents before the second of any."""
    yield from baselines(study)
    agents = (*LEVELS, "td3_bc") if study.plan.continuous else LEVELS
    for seed in range(seeds):
        for name in agents:
            yield f"{name}/{seed}", partial(offline, study, name, seed)
        yield f"simulated/{seed}", partial(simulated, study, seed)
        yield f"true_ppo/{seed}", partial(true_ppo, study, seed)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; all four where none is named.")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
    work: Annotated[Path, typer.Option(help="Folder of the learned patients.")] = Path("runs/agents"),
    seeds: Annotated[int, typer.Option(min=0, max=3, help="Of training; 0: the page from what is there.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of CPU after which to begin no further cell.")] = float("inf"),
) -> None:
    """Compute what is missing, then write the page and its figure."""
    torch.set_num_threads(1)
    for name in names or list(PLANS):
        store = docs / "results" / f"agents_{name}.json"
        found: Found = json.loads(store.read_text("utf-8")) if store.is_file() else {}
        store.parent.mkdir(parents=True, exist_ok=True)
        for key, compute in cells(Study(name, work), seeds) if seeds else ():
            if key not in found and time.process_time() < seconds:
                found[key] = compute()
                write_text(store, json.dumps(found, indent=1) + "\n")
                typer.echo(f"{name}: {key}")
    from .agents_page import write_page  # matplotlib takes a second

    write_page(docs)


if __name__ == "__main__":
    typer.run(main)
