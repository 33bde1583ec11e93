"""Which uncertainty of the learned patient keeps a policy where clinicians were: members' spread, or doubt beside it.

    python -m posology.experiments.studies.doubt --out docs

On the sepsis cohort, whose clinician's propensities are known: how well each tells rare doses (propensity under 1 %)
from common ones, and what PPO is truly worth when it is penalised by each. Writes `results/doubt.json` and `doubt.md`;
a policy that is in the results already is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from ...agents.behavior.fit import BehaviorConfig, fit_behavior
from ...agents.imitation import ImitationConfig, imitate
from ...agents.sb3 import PPOConfig, fit_ppo
from ...agents.support import unsupported_share
from ...contracts import PatientState, Step, Treatment
from ...envs import decisions, sb3_env, treatment
from ...envs.wrapped import wrap
from ...evaluation.true_value import rollout_value
from ...patient_models import load_model
from ...patient_models.learned_inputs import states_of
from ...patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm
from ...patient_models.sepsis_clinician import SepsisClinician
from ...trajectories.rollout import Rollout, rollout
from ..stages import write_text

ENVIRONMENT, STAYS, TRAIN, TUNING = "posology/Sepsis-v0", 2600, 1500, 600
RARE, STEPS = 0.01, 150_000
TRIED = (("none", 0.0), ("both", 1.0), ("both", 3.0), ("both", 10.0), ("spread", 10.0), ("spread", 30.0))
Uncertainty = Callable[[PatientState, Tensor, Tensor], Tensor]


def cohort() -> Rollout:
    """Stays of the documented clinician, with what is hidden of them."""
    return rollout(treatment(ENVIRONMENT), SepsisClinician(), STAYS, seed=11, keep_memory=True)


def areas(model: LSTMEnsemble, stays: Rollout) -> dict[str, float]:
    """Area under the ROC curve of each uncertainty for rare against common doses, over held-out states and actions."""
    held, env, clinician = torch.arange(TRAIN + TUNING, STAYS), treatment(ENVIRONMENT), SepsisClinician()
    records, memory = stays.trajectories.rows(held), stays.memory
    assert memory is not None
    steps = records.mask.shape[1] + 1
    rows = torch.cat([(records.mask[:, t].nonzero()[:, 0]) * steps + t for t in (1, 4, 9, 14)])
    true = states_of(records).replace(memory=memory[held].flatten(0, 1)).rows(rows)
    seen, hours = model.resume(records).rows(rows), torch.full((len(rows),), 4.0)
    doses = [env.decode(true, torch.full((len(rows),), action)) for action in range(env.spec.actions)]
    rare = torch.stack([clinician.log_prob(true, dose) for dose in doses], 1).exp() < RARE

    def area(uncertainty: Uncertainty) -> float:
        score = torch.stack([uncertainty(seen, dose, hours) for dose in doses], 1)
        higher = stats.mannwhitneyu(score[rare].numpy(), score[~rare].numpy()).statistic
        return float(higher / (int(rare.sum()) * int((~rare).sum())))

    return {"spread": area(model.spread), "doubt": area(model.doubt), "both": area(model.disagreement)}


def penalised(simulator: Treatment, uncertainty: Uncertainty, penalty: float) -> Treatment:
    """The simulator with a penalty on an uncertainty, in its steps alone."""

    def step(state: PatientState, action: Tensor, hours: Tensor, noise: Tensor) -> Step:
        plain = simulator.step(state, action, hours, noise)
        return replace(plain, reward=plain.reward - penalty * uncertainty(state, plain.dose, hours))

    return replace(wrap(simulator), step=step)


def policies(model: LSTMEnsemble, stays: Rollout, found: dict[str, Any], save: Callable[[], None]) -> None:
    """Train PPO under each penalty that is not in `found` yet, and put what it is worth there."""
    simulator, env = treatment("posology/Learned-v0", model=model), treatment(ENVIRONMENT)
    train, tuning = (
        decisions(simulator, stays.trajectories.rows(torch.arange(first, first + count)))
        for first, count in ((0, TRAIN), (TRAIN, TUNING))
    )
    behavior = fit_behavior(train, tuning, BehaviorConfig(actions=env.spec.actions, members=1), seed=0)
    start = imitate(train, behavior, ImitationConfig(PPOConfig.hidden, PPOConfig.activation), seed=0)
    uncertainties = {"none": model.spread, "spread": model.spread, "both": model.disagreement}
    for kind, penalty in TRIED:
        name = f"{kind} {penalty:g}"
        if name in found:
            continue
        learned_in = penalised(simulator, uncertainties[kind], penalty)
        policy = fit_ppo(sb3_env(learned_in, 256, seed=5), PPOConfig(steps=STEPS), start=start, seed=0)
        true, claim = rollout_value(env, policy, 3000, 10**8), rollout_value(simulator, policy, 2000, 10**8)
        unsupported = unsupported_share(tuning, policy, behavior)
        found[name] = {"true": true.value, "low": true.low, "high": true.high, "claim": claim.value}
        found[name]["unsupported"] = unsupported
        save()


def page(found: dict[str, Any]) -> str:
    """The results as a page."""
    area = found["areas"]
    lines = [
        "# Doubt: where the learned patient has seen nothing",
        "",
        "Made by `python -m posology.experiments.studies.doubt --out docs`: the sepsis cohort, an ensemble of three",
        f"LSTMs, each fitted to a bootstrap of {TRAIN} stays. Rare: the clinician's true propensity of the dose is",
        "under 1 %. Uncertainty should tell rare doses from common ones: area under the ROC curve over held-out states",
        "and all 25 doses.",
        "",
        "| uncertainty | area |",
        "|---|---|",
        f"| spread of the members | {area['spread']:.3f} |",
        f"| doubt (posterior SD of a Gaussian process over states and doses) | {area['doubt']:.3f} |",
        f"| both, as the penalty has it | {area['both']:.3f} |",
        "",
        f"PPO, {STEPS:,} decisions from the imitated clinician on, one seed. Survival in the truth (3,000 patients,",
        f"95 % interval) and as the simulator claims; the clinician's is {found['clinician']:.3f}. Unsupported: share",
        "of the policy's probability on doses that the fitted clinician gives less than 1 % of the time, tuning stays.",
        "",
        "| penalty on | weight | truth [95 %] | claim | unsupported |",
        "|---|---|---|---|---|",
    ]
    rows = {(kind, penalty): found["policies"].get(f"{kind} {penalty:g}") for kind, penalty in TRIED}
    for (kind, penalty), row in rows.items():
        if row is None:
            continue
        lines.append(
            f"| {kind} | {penalty:g} | {row['true']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | {row['claim']:.3f} | "
            f"{row['unsupported']:.1%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is not measured yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page and its results")
    parser.add_argument("--work", type=Path, default=Path("runs/doubt"), help="where the fitted simulator is kept")
    options = parser.parse_args()
    results = options.out / "results" / "doubt.json"
    found: dict[str, Any] = json.loads(results.read_text("utf-8")) if results.is_file() else {"policies": {}}

    def save() -> None:
        results.parent.mkdir(parents=True, exist_ok=True)
        write_text(results, json.dumps(found, indent=1) + "\n")
        write_text(options.out / "doubt.md", page(found))

    torch.set_num_threads(1)
    stays, folder = cohort(), options.work / "model"
    if not folder.is_dir():
        train, tuning = (stays.trajectories.rows(torch.arange(a, b)) for a, b in ((0, TRAIN), (TRAIN, TRAIN + TUNING)))
        fit_lstm(train, tuning, LSTMConfig(members=3, bootstrap=True), seed=0).save(folder)
    model = load_model(folder)
    assert isinstance(model, LSTMEnsemble)
    found["areas"] = areas(model, stays)
    found["clinician"] = rollout_value(treatment(ENVIRONMENT), SepsisClinician(), 3000, 10**8).value
    save()
    policies(model, stays, found["policies"], save)


if __name__ == "__main__":
    main()
