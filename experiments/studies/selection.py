"""Is the risk that `posology select` states the risk that is taken? Cohorts whose truth is known in closed form.

    python -m posology.experiments.studies.selection --out docs

Eight candidates, blends of 10 and 30 % of four policies, are judged on every cohort as a run does it. In one world no
dose matters, so that whoever is claimed to be better is claimed wrongly; in the other doses matter, and half of the
policies lean to the better ones. Writes `results/selection.json` and `selection.md`; sizes that are in the results
already are not done again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluation.off_policy.logged import Array, Mask
from ...evaluation.off_policy.resampling import replicates
from ...evaluation.off_policy.weighted_importance_sampling import weighted_importance_sampling
from ...evaluation.selection import rank_correlations, regret, risks
from ..stages import write_text
from .selection_page import page

WORLDS = {"no dose matters": 0.0, "doses matter": 0.8}  # standard deviation of the log hazard between doses
SIZES, COHORTS, DRAWS = (300, 1000, 3000), 2000, 400
LIMIT, STRICT = 0.05, 0.02
_DECISIONS, _SHARES, _BOLD = 8, (0.1, 0.3), 1.5
_HAZARD = np.array([0.01, 0.03, 0.08])  # of death at each decision, by severity
_ADMITTED = np.array([0.5, 0.3, 0.2])
_ACTIONS = 5


@dataclass(frozen=True, eq=False)
class Clinic:
    """A world: how likely doses are, and who dies; severity stays as it is."""

    usual: Array  # (3, A) of the clinicians
    hazard: Array  # (3, A)
    targets: Array  # (P, 3, A)

    def value(self, probs: Array) -> Array:
        """Probability (...) of being alive after all decisions, of tables (..., 3, A)."""
        kept = 1 - (probs * self.hazard).sum(-1)
        return np.asarray((_ADMITTED * kept**_DECISIONS).sum(-1))


def clinic(rng: np.random.Generator, effect: float) -> Clinic:
    """A world drawn at random: four policies, two of which lean to the better doses where doses matter."""
    usual = rng.dirichlet(np.full(_ACTIONS, 2.0), 3) * 0.9 + 0.1 / _ACTIONS
    logs = effect * rng.normal(size=(3, _ACTIONS))
    hazard = np.minimum(_HAZARD[:, None] * np.exp(logs), 0.5)
    leaning = np.array([1.0, 1.0, 0.0, 0.0])[:, None, None] * -logs + rng.normal(size=(4, 3, _ACTIONS))
    policy = usual * np.exp(_BOLD * leaning)
    policy = policy / policy.sum(-1, keepdims=True)
    return Clinic(usual, hazard, np.concatenate([s * policy + (1 - s) * usual for s in _SHARES]))


def stays(world: Clinic, rng: np.random.Generator, count: int) -> tuple[Array, Mask, Array]:
    """Reward (N, T), mask, and log ratios (P, N, T) of every candidate."""
    severity = rng.choice(3, count, p=_ADMITTED)
    ladder = world.usual.cumsum(1)[severity][:, None]
    action = (rng.random((count, _DECISIONS, 1)) > ladder).sum(2).clip(max=_ACTIONS - 1)
    died = rng.random((count, _DECISIONS)) < world.hazard[severity[:, None], action]
    mask = np.hstack((np.ones((count, 1), bool), ~np.logical_or.accumulate(died, 1)[:, :-1]))
    reward = np.zeros((count, _DECISIONS))
    reward[:, -1] = ~died.any(1)
    last = mask.sum(1) - 1
    reward[np.arange(count), last] = reward[:, -1]
    reward[:, -1] = np.where(last == _DECISIONS - 1, reward[:, -1], 0.0)
    logs = np.log(world.targets / world.usual)[:, severity[:, None], action]
    return reward, mask, np.where(mask, logs, 0.0)


def judged(world: Clinic, rng: np.random.Generator, count: int, seed: int) -> dict[str, Any]:
    """One cohort: verdict, risks and truth of every candidate that can be evaluated, and what the choice was worth."""
    reward, mask, logs = stays(world, rng, count)
    found = [weighted_importance_sampling(reward, one, mask, discount=1.0) for one in (np.zeros_like(logs[0]), *logs)]
    verdicts = [one.judged().label for one in found[1:]]
    kept = [number for number, label in enumerate(verdicts) if label != "not evaluable"]
    gain = world.value(world.targets) - float(world.value(world.usual))
    row: dict[str, Any] = {"kept": len(kept), "candidates": []}
    if not kept:
        return row
    parts = [part for one in (found[0], *(found[k + 1] for k in kept)) if (part := one.totalled()) is not None]
    drawn = replicates(parts, DRAWS, seed)
    stated, true = risks(drawn[:, 1:], drawn[:, 0]), gain[kept]
    score = np.array([found[k + 1].value for k in kept])
    row["candidates"] = [
        [verdicts[k], risk.no_better, risk.chosen, float(g)] for k, risk, g in zip(kept, stated, true, strict=True)
    ]
    top = int(score.argmax())
    row |= {"first": top, "regret": regret(score, true), "regret_3": regret(score, true, min(3, len(kept)))}
    row["spearman"] = rank_correlations(score, true)[0] if len(kept) > 1 else None
    row["spread"] = float(np.ptp(true))
    return row


def cell(world: str, count: int, cohorts: int) -> list[dict[str, Any]]:
    """Every cohort of one world and size."""
    rows = []
    for number in range(cohorts):
        rng = np.random.default_rng([list(WORLDS).index(world), count, number])
        rows.append(judged(clinic(rng, WORLDS[world]), rng, count, number))
    return rows


def summary(rows: list[dict[str, Any]], matters: bool) -> dict[str, Any]:
    """What became of the claims: of the first choice and of all candidates, by each risk."""
    ranked = [row for row in rows if row["kept"]]
    every = [c for row in ranked for c in row["candidates"]]

    def wrong(column: int, supported: bool, limit: float = LIMIT) -> float:
        """Share of cohorts in which somebody no better is claimed to be better."""
        said = [[c for c in row["candidates"] if c[column] <= limit and (c[0] == "supported" or not supported)]
                for row in rows]  # fmt: skip
        return float(np.mean([any(c[3] <= 1e-12 for c in claims) for claims in said]))

    found: dict[str, Any] = {
        "cohorts": len(rows),
        "nothing_evaluable": 1 - len(ranked) / len(rows),
        "wrong_one_by_one": wrong(1, False),
        "wrong_chosen": wrong(2, False),
        "wrong_claimed": wrong(2, True),
        "wrong_strict": wrong(2, True, STRICT),
    }
    if matters:
        better = [c for c in every if c[3] > 0]
        found["missed"] = float(np.mean([not (c[2] <= LIMIT and c[0] == "supported") for c in better]))
        found["stated"] = _bins(every)
        for name in ("regret", "regret_3", "spread", "spearman"):
            found[name] = float(np.mean([row[name] for row in ranked if row[name] is not None]))
    return found


def _bins(every: list[list[Any]]) -> list[list[float]]:
    """Stated risk (mean), share truly no better, and how many, in bins of the stated risk."""
    stated, no_better = np.array([c[1] for c in every]), np.array([c[3] <= 0 for c in every])
    edges = [0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0001]
    rows = [(stated >= a) & (stated < b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return [[float(stated[r].mean()), float(no_better[r].mean()), int(r.sum())] for r in rows if r.any()]


def study(path: Path, cohorts: int = COHORTS, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """The results, those that `path` lacks computed and written."""
    results: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    for world, effect in WORLDS.items():
        for count in sizes:
            if str(count) not in results.setdefault(world, {}):
                results[world][str(count)] = summary(cell(world, count, cohorts), effect > 0)
                write_text(path, json.dumps(results, indent=1) + "\n")
    return results


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of selection.md, results in results/")
    out = parser.parse_args().out
    (out / "results").mkdir(parents=True, exist_ok=True)
    write_text(out / "selection.md", page(study(out / "results" / "selection.json")))


if __name__ == "__main__":
    main()
