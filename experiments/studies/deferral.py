"""What handing decisions back is worth: survival and violations against the share of decisions given to the clinician.

`python -m posology.experiments.studies.deferral [--page docs/deferral.md]`. Two policies are learned in a simulator
learned from 1,500 sepsis stays, one without and one with a penalty on the simulator's disagreement. In the true patient
those decisions go back to the clinician of which the simulator is most in doubt; the control hands back as many at
random. Results are kept one by one: what is there already is not computed again.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...agents.behavior.fit import BehaviorConfig, fit_behavior
from ...agents.imitation import ImitationConfig, imitate
from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.save import load_policy, save_policy
from ...contracts import Blend, Clinician, Constraint, DiscretePolicy, PatientState, Policy, Treatment
from ...envs import decisions, treatment
from ...envs.belief import with_belief
from ...envs.budgets import TimeBeyond, with_costs
from ...envs.deferral import DoseDeferral
from ...envs.dose_treatment import DoseTreatment
from ...envs.shield import shield
from ...evaluation.safety import violation_counts
from ...evaluation.true_value import mean_interval
from ...patient_models import load_model
from ...patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm
from ...patient_models.sepsis_clinician import SepsisClinician
from ...trajectories.rollout import Rollout, rollout
from ..stages import write_text
from .deferral_figure import draw_curves
from .deferral_page import page

TRAIN, TUNING, STEPS, STAYS = 1500, 500, 80_000, 3000
COHORT, TRAINING, JUDGED, PROBED = 11 * 10**11, 12 * 10**11, 13 * 10**11, 14 * 10**11
PENALTIES = {"unpenalised": 0.0, "penalised": 3.0}
SHARES = (0.1, 0.3, 0.6)  # aimed at, by quantiles in the simulator
Uncertainty = Callable[[PatientState, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class HandedBack:
    """Counts the decisions that a deferral hands back, of the doses that were asked for."""

    deferral: DoseDeferral
    treatment: Treatment
    name: str = "handed back"
    unit: str = "decisions"
    limit: float = 0.0
    hard: bool = False

    def cost(self, before: PatientState, dose: Tensor, hours: Tensor, after: PatientState) -> Tensor:
        """1 (B,) where the decision is handed back."""
        return self.deferral.deferred(self.treatment, before, self.treatment.encode(before, dose)).to(dose.dtype)

    def permits(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """Everything (B,) bool."""
        return torch.ones_like(state.outcome, dtype=torch.bool)

    def project(self, state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        """The dose as it is (B, U)."""
        return dose


def truth() -> Treatment:
    """Sepsis whose dose limits are counted and not executed, with the time in low pressure."""
    core = treatment("posology/Sepsis-v0")
    assert isinstance(core, DoseTreatment)
    soft: tuple[Constraint, ...] = tuple(dataclasses.replace(c, hard=False) for c in core.constraints)  # type: ignore[type-var]
    low = TimeBeyond("MAP below 65 mmHg", core.spec.feature("map"), 65.0, True)
    return with_costs(dataclasses.replace(core, constraints=soft), (low,))


def learned(work: Path) -> tuple[LSTMEnsemble, dict[str, DiscretePolicy]]:
    """The simulator and the policies learned in it, kept in `work`."""
    stays = rollout(treatment("posology/Sepsis-v0"), SepsisClinician(), TRAIN + TUNING, seed=COHORT).trajectories
    train, tuning = stays.rows(torch.arange(TRAIN)), stays.rows(torch.arange(TRAIN, TRAIN + TUNING))
    if not (work / "model").is_dir():
        fit_lstm(train, tuning, LSTMConfig(members=2), seed=0).save(work / "model")
    model = load_model(work / "model")
    assert isinstance(model, LSTMEnsemble)
    policies = {}
    for name, penalty in PENALTIES.items():
        if not (work / name / "model.json").is_file():
            simulator = treatment("posology/Learned-v0", model=model, penalty=penalty)
            logged = [decisions(simulator, part) for part in (train, tuning)]
            behavior = fit_behavior(logged[0], logged[1], BehaviorConfig(actions=25, members=1), seed=0)
            start = imitate(logged[0], behavior, ImitationConfig(), seed=0)
            config = MaskedPPOConfig(steps=STEPS, first_seed=TRAINING)
            save_policy(fit_masked_ppo(simulator, config, start=start, seed=0), work / name)
        policies[name] = load_policy(work / name)
    return model, policies


def measures(model: LSTMEnsemble) -> dict[str, Uncertainty]:
    """What decisions may be handed back by: functions of what is visible and of the dose asked for."""

    def disagreement(state: PatientState, dose: Tensor, hours: Tensor) -> Tensor:
        return model.disagreement(model.believing(state), dose, hours)

    return {"disagreement": disagreement, "doubt": model.doubt}


def thresholds(model: LSTMEnsemble, policy: Policy, uncertainty: Uncertainty) -> list[float]:
    """Limits that the policy's own decisions exceed with each of SHARES in the simulator: no truth is needed."""
    stays = rollout(treatment("posology/Learned-v0", model=model), policy, 1000, seed=PROBED).trajectories
    belief = model.assimilate(stays).flatten(0, 1)
    steps = stays.mask.shape[1]
    rows = (torch.arange(len(stays))[:, None] * (steps + 1) + torch.arange(steps))[stays.mask]
    states = model.resume(stays).replace(belief=belief).rows(rows)
    scores = uncertainty(states, stays.dose[stays.mask], stays.hours[stays.mask])
    return [float(scores.quantile(1 - share)) for share in SHARES]


def believed(core: Treatment, model: LSTMEnsemble) -> Treatment:
    """The treatment with the simulator's belief kept in its states, unseen by the policy."""
    carried = with_belief(core, model)
    return dataclasses.replace(carried, observe=core.observe, observation_dim=core.observation_dim)


def deferring(model: LSTMEnsemble, uncertainty: Uncertainty, limit: float) -> Treatment:
    """The truth, where decisions above the limit are the clinician's."""
    core = believed(truth(), model)
    deferral = DoseDeferral(uncertainty, limit)
    guarded = shield(core, fallback=SepsisClinician(), fallback_name="clinician", deferral=deferral)
    return with_costs(guarded, (HandedBack(deferral, core),))


def row_of(done: Rollout, names: list[str]) -> dict[str, Any]:
    """Survival, violations per decision and hours in low pressure, with 95 % intervals over stays."""
    mask = done.decisions.mask
    counts, length = violation_counts(done.costs, mask)
    row: dict[str, Any] = {"value": _interval(done.returns)}
    for number, name in enumerate(names):
        share = counts[:, number].sum() / length.sum()
        spread = mean_interval(counts[:, number] - share * length)
        row[name] = [float(share), *(float(share + end / length.mean()) for end in spread)]
    low = names.index("MAP below 65 mmHg")
    row["hours"] = _interval(done.costs[:, :, low].sum(1))
    return row


def _interval(each: Tensor) -> list[float]:
    found = each.double().numpy()
    return [float(found.mean()), *mean_interval(found)]


def handed_back(model: LSTMEnsemble, policy: Policy, uncertainty: Uncertainty, limit: float) -> dict[str, Any]:
    """Decisions above the limit handed back, and beside them as many at random, on the same patients."""
    core = deferring(model, uncertainty, limit)
    done = rollout(core, policy, STAYS, seed=JUDGED)
    assert done.attempted is not None
    share = float(done.attempted[:, :, -1][done.decisions.mask].mean())
    control = rollout(truth(), Blend(policy, SepsisClinician(), 1 - share), STAYS, seed=JUDGED)
    names = [c.name for c in truth().constraints]
    return {
        "share": share,
        "limit": limit,
        "by": row_of(done, names),
        "random": row_of(control, names),
        "gain": _interval(done.returns - control.returns),
    }


def alone(actor: Policy | Clinician) -> dict[str, Any]:
    """Nothing handed back."""
    core = truth()
    return row_of(rollout(core, actor, STAYS, seed=JUDGED), [c.name for c in core.constraints])


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/deferral.md"),
    store: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("docs/results/deferral.json"),
    work: Annotated[Path, typer.Option(help="Where what is learned is kept.")] = Path("runs/deferral"),
) -> None:
    """Compute what is missing and write the page with its figure."""
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}

    def keep(name: str, made: Callable[[], dict[str, Any]]) -> None:
        if name not in found:
            found[name] = made()
            store.parent.mkdir(parents=True, exist_ok=True)
            write_text(store, json.dumps(found, indent=1) + "\n")
            typer.echo(f"{name}: {found[name]}")

    wanted = [f"{p}/{m}/{s:g}" for p in PENALTIES for m in ("disagreement", "doubt") for s in SHARES]
    if any(name not in found for name in ("clinician", *PENALTIES, *wanted)):
        model, policies = learned(work)
        keep("clinician", functools.partial(alone, SepsisClinician()))
        for name, policy in policies.items():
            keep(name, functools.partial(alone, policy))
            for measure, uncertainty in measures(model).items():
                limits = thresholds(model, policy, uncertainty)
                for share, limit in zip(SHARES, limits, strict=True):
                    made = functools.partial(handed_back, model, policy, uncertainty, limit)
                    keep(f"{name}/{measure}/{share:g}", made)
    figure = page_path.parent / "figures" / "deferral.png"
    figure.parent.mkdir(parents=True, exist_ok=True)
    draw_curves(figure, found)
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
