"""Policies that can be read: trees of two to five questions beside what they stand for, and sets of near-equal doses.

`python -m posology.experiments.studies.interpretable [--page docs/interpretable.md]`; the exact part needs the
`icu-sepsis` package. Results are kept part by part: what is there already is not computed again.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ...agents.categorical import draw, log_prob_of
from ...agents.conservative_q import ConservativeQConfig, fit_conservative_q
from ...agents.greedy import GreedyPolicy
from ...agents.masked_ppo import MaskedPPOConfig, fit_masked_ppo
from ...agents.records import LoggedData
from ...agents.set_valued import coverage, near_equivalent
from ...agents.tree import TreeConfig, distil, fidelity
from ...contracts import Clinician, DiscretePolicy, Policy, Treatment
from ...envs import decisions, treatment
from ...envs.observation import Layout
from ...envs.relative_doses import CHANGES
from ...evaluation.true_value import rollout_value, value_difference
from ...patient_models.icu_sepsis import icu_sepsis
from ...patient_models.icu_sepsis_clinician import ICUSepsisClinician
from ...patient_models.sepsis_clinician import SepsisClinician
from ...patient_models.tabular_solve import chain, solve_values
from ...patient_models.tabular_values import action_value_table, optimal, policy_value, state_values
from ...patient_models.warfarin_clinician import WarfarinClinician
from ...trajectories.rollout import rollout
from ..stages import write_text
from ..tree_section import tree_rows
from .interpretable_page import page

DEPTHS, PRINTED = (2, 3, 4, 5), 3
LEARNED_ON, HELD_OUT, JUDGED = 4000, 2000, 5000
TRAINING, SEEN, FRESH, TRUTH = (n * 10**11 for n in (21, 22, 23, 24))
ZETAS = (0.0, 0.05, 0.1)
LOGGED = 5000


@dataclass(frozen=True)
class Subject:
    """A patient, who treats it usually, and how long PPO learns."""

    environment: str
    value: str
    clinician: Clinician
    steps: int
    relative: bool = False  # actions are changes of the last dose


SUBJECTS = {
    "sepsis": Subject("posology/Sepsis-v0", "survival", SepsisClinician(), 200_000),
    "warfarin": Subject("posology/Warfarin-v0", "time in range", WarfarinClinician(), 250_000),
    "warfarin_relative": Subject("posology/Warfarin-v0", "time in range", WarfarinClinician(), 250_000, relative=True),
}


@dataclass(frozen=True, eq=False)
class AnyOf:
    """Any action of the near-equivalent set, all alike: a clinician who is free within it."""

    critic: GreedyPolicy
    zeta: float

    @property
    def noise_dim(self) -> int:
        """One standard normal per action."""
        return self.critic.network.outputs

    def probs(self, obs: Tensor, allowed: Tensor | None) -> Tensor:
        """Probabilities (B, A)."""
        within = near_equivalent(self.critic.values(obs), allowed, self.zeta).float()
        return within / within.sum(1, keepdim=True)

    def act(self, obs: Tensor, allowed: Tensor | None, noise: Tensor) -> Tensor:
        """Action (B,) int64."""
        return draw(self.probs(obs, allowed), noise)

    def log_prob(self, obs: Tensor, allowed: Tensor | None, action: Tensor) -> Tensor:
        """Log-probability (B,)."""
        return log_prob_of(self.probs(obs, allowed), action)


def worth(core: Treatment, actor: Policy | Clinician) -> Any:
    """On the patients that everyone meets."""
    return rollout_value(core, actor, JUDGED, TRUTH)


def trees(subject: Subject) -> dict[str, Any]:
    """PPO of the true patient, its trees by depth, and the rules of one of them."""
    core = treatment(subject.environment, enforce=True, **({"action": "relative"} if subject.relative else {}))
    policy = fit_masked_ppo(core, MaskedPPOConfig(steps=subject.steps, first_seed=TRAINING), seed=0)
    assert isinstance(policy, DiscretePolicy)
    seen, fresh = (rollout(core, policy, n, seed=s).decisions for n, s in ((LEARNED_ON, SEEN), (HELD_OUT, FRESH)))
    own, usual = worth(core, policy), worth(core, subject.clinician)
    rows, rules = [], []
    for depth in DEPTHS:
        grown = distil(seen, policy, TreeConfig(depth=depth), seed=0)
        tree = grown.decided()
        value = worth(core, tree)
        rows.append(
            {
                "depth": depth,
                "leaves": tree.leaves,
                "fidelity": fidelity(tree, policy, fresh),
                "value": [value.value, value.low, value.high],
                "difference": list(value_difference(value, own)),
            }
        )
        if depth == PRINTED:
            doses = _changes if subject.relative else None
            layout = Layout(core.spec, core.horizon_hours)
            rules = [
                row.model_dump() for row in tree_rows(tree, policy, layout, held_out=fresh, train=seen, doses=doses)
            ]
    return {
        "policy": [own.value, own.low, own.high],
        "clinician": [usual.value, usual.low, usual.high],
        "trees": rows,
        "rules": rules,
        "drugs": [
            [drug.label or drug.name, "% of the last dose" if subject.relative else drug.unit]
            for drug in core.spec.drugs
        ],
    }


def _changes(action: int) -> tuple[float, ...]:
    """What a relative action gives, in percent of the last dose."""
    return (round(100 * (1 + CHANGES[action]), 1),)


def sepsis_sets() -> list[dict[str, Any]]:
    """Near-equivalent doses by values learned from records of sepsis, on stays that they were not learned from."""
    core = treatment("posology/Sepsis-v0")
    stays = rollout(core, SepsisClinician(), LOGGED + HELD_OUT, seed=SEEN).trajectories
    logged = decisions(core, stays)
    cut = round(LOGGED * 0.85)
    parts = [logged.rows(torch.arange(a, b)) for a, b in ((0, cut), (cut, LOGGED), (LOGGED, LOGGED + HELD_OUT))]
    critic = fit_conservative_q(LoggedData(parts[0], parts[1]), ConservativeQConfig(actions=25), seed=0)
    held = parts[2]
    obs, action = held.obs[:, : held.mask.shape[1]][held.mask], held.action[held.mask]
    rows = []
    for zeta in ZETAS:
        size, inside = coverage(near_equivalent(critic.values(obs), None, zeta), action)
        value = worth(core, AnyOf(critic, zeta))
        rows.append({"zeta": zeta, "size": size, "inside": inside, "value": [value.value, value.low, value.high]})
    return rows


def exact_sets() -> list[dict[str, Any]]:
    """Near-equivalent doses of ICU-Sepsis by the exact optimal values, weighted by the clinician's visits."""
    patient, clinician = icu_sepsis(), ICUSepsisClinician(0.0).table
    q = action_value_table(patient, state_values(patient, optimal(patient)[1]))
    rows = []
    for zeta in ZETAS:
        sets = near_equivalent(q, patient.admissible, zeta)
        free = sets.double() / sets.sum(1, keepdim=True)
        moves, ends = chain(patient.transition, clinician), torch.zeros(2, dtype=torch.float64)
        each = (sets.sum(1).double(), (clinician * sets).sum(1), torch.ones(patient.states, dtype=torch.float64))
        size, inside, visits = (float(patient.start @ solve_values(moves, ends, one)) for one in each)
        rows.append(
            {"zeta": zeta, "size": size / visits, "inside": inside / visits, "value": policy_value(patient, free)}
        )
    return rows


def main(
    page_path: Annotated[Path, typer.Option("--page", help="Where to write the page.")] = Path("docs/interpretable.md"),
    store: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("docs/results/interpretable.json"),
    most: Annotated[int, typer.Option(help="Parts to compute in this call, at most.")] = 1000,
) -> None:
    """Compute what is missing and write the page."""
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    parts: dict[str, Callable[[], Any]] = {"icu_sets": exact_sets, "sepsis_sets": sepsis_sets}
    parts |= {name: functools.partial(trees, subject) for name, subject in SUBJECTS.items()}
    for name in [name for name in parts if name not in found][:most]:
        found[name] = parts[name]()
        store.parent.mkdir(parents=True, exist_ok=True)
        write_text(store, json.dumps(found, indent=1) + "\n")
        typer.echo(f"{name}: done")
    write_text(page_path, page(found))
    typer.echo(f"wrote {page_path}")


if __name__ == "__main__":
    typer.run(main)
