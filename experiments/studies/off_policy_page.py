"""Figures and tables of `docs/off_policy.md`: `python -m posology.experiments.studies.off_policy_page`.

Reads the cells of the coverage and accuracy studies, draws `docs/figures/coverage.png` and `docs/figures/accuracy.png`,
and puts the tables into the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import typer
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ...evaluation.off_policy import Thresholds
from ...evaluation.off_policy.verdict import ORDER
from ..stages import write_text
from . import markdown
from .accuracy_summary import WEIGHTED, Row, rows_of, summary
from .calibration import CHOSEN_ON, CONFIRMED_ON, FORMER, Cohorts, choose, least_coverage, load, table
from .coverage import FOLDER, NAMES, SIZES
from .patient_pages import put_block

COMMAND = "python -m posology.experiments.studies.off_policy_page"
SHORT = {
    "importance_sampling": "IS",
    "per_decision_importance_sampling": "per-decision IS",
    "weighted_importance_sampling": "weighted IS",
    "weighted_per_decision_importance_sampling": "weighted per-decision IS",
    "direct_method": "fitted Q (direct)",
    "doubly_robust": "doubly robust",
    "weighted_doubly_robust": "weighted doubly robust",
    "magic": "MAGIC",
    "marginalized_importance_sampling": "marginalised",
}
_COLORS = {
    "weighted_importance_sampling": "#0072B2",
    "per_decision_importance_sampling": "#56B4E9",
    "doubly_robust": "#D55E00",
    "weighted_doubly_robust": "#CC79A7",
}
_EDGES = np.array([3, 8, 15, 25, 40, 65, 100, 200, 500, 1500, 10_000])


def draw_coverage(cohorts: Sequence[Cohorts], path: Path) -> None:
    """Coverage of bootstrap intervals against the effective sample size, by problem and by verdict."""
    problems = list(dict.fromkeys(one.problem for one in cohorts))
    figure, axes = plt.subplots(1, len(problems), figsize=(10.5, 3.5), sharey=True, layout="constrained")
    limits = Thresholds()
    for axis, problem in zip(axes, problems, strict=True):
        some = [one for one in cohorts if one.problem == problem]
        size = np.concatenate([one.size for one in some])
        near = np.concatenate([one.mean for one in some]) <= limits.mean_weight[0]
        for name, color in _COLORS.items():
            held = np.concatenate([one.held[:, NAMES.index(name), 0] for one in some])
            for keep, style, width in ((near, "-", 1.8), (~near, ":", 1.2)):
                points = _binned(size[keep], held[keep])
                axis.plot(*points, style, color=color, lw=width, marker="o", ms=3 if style == "-" else 2)
        axis.axhline(0.95, color="0.6", lw=0.8)
        axis.axhline(0.90, color="0.6", lw=0.8, ls="--")
        axis.axvspan(limits.effective_sample_size[0], _EDGES[-1], color="#009E73", alpha=0.08, lw=0)
        axis.axvspan(_EDGES[0], limits.effective_sample_size[1], color="0.5", alpha=0.10, lw=0)
        axis.set(xscale="log", xlim=(_EDGES[0], _EDGES[-1]), ylim=(0.4, 1.0), xlabel="effective sample size")
        confirming = " (confirms)" if problem == problems[-1] else ""
        axis.set_title(f"{problem}{confirming}", loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of 95 % intervals\nthat hold the truth")
    _legend(figure)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _legend(figure: Any) -> None:
    lines: list[Artist] = []
    lines += [Line2D([], [], color=c, marker="o", ms=3, lw=1.8, label=SHORT[n]) for n, c in _COLORS.items()]
    lines += [
        Line2D([], [], color="0.3", lw=1.8, label="mean weight within 10 % of 1"),
        Line2D([], [], color="0.3", lw=1.2, ls=":", label="farther from 1"),
        Rectangle((0, 0), 1, 1, color="#009E73", alpha=0.15, label="size for “supported”"),
        Rectangle((0, 0), 1, 1, color="0.5", alpha=0.2, label="“not evaluable”"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _binned(size: np.ndarray, held: np.ndarray, fewest: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Middle and coverage of the bins that hold enough cohorts."""
    place = np.digitize(size, _EDGES)
    found = [(np.exp(np.log(size[place == k]).mean()), held[place == k].mean()) for k in range(1, len(_EDGES))
             if (place == k).sum() >= fewest]  # fmt: skip
    return tuple(np.array(found).T) if found else (np.zeros(0), np.zeros(0))


def draw_accuracy(rows: Sequence[Row], path: Path) -> None:
    """Root mean square error by estimator, environment and size, of blends and whole policies."""
    found = summary(rows)["by size"]
    environments = list(dict.fromkeys(row["environment"] for row in found))
    figure, axes = plt.subplots(2, len(environments), figsize=(10.5, 5.6), sharey=True, layout="constrained",
                                squeeze=False)  # fmt: skip
    names = list(SHORT)
    colors = {"true": "#0072B2", "network": "#D55E00"}
    for (i, blend), (j, environment) in ((a, b) for a in enumerate((True, False)) for b in enumerate(environments)):
        axis = axes[i, j]
        some = [r for r in found if r["environment"] == environment and r["blend"] == blend]
        sizes = sorted({r["stays"] for r in some})
        for row in some:
            y = names.index(row["estimator"]) + (0.18 if row["behavior"] == "network" else -0.18)
            far = min(max(row["rmse"], 2e-3), 3.0)
            axis.scatter(far, y, s=10 + 22 * sizes.index(row["stays"]), color=colors[row["behavior"]], alpha=0.75,
                         marker=">" if row["rmse"] > 3 else "o", lw=0)  # fmt: skip
        axis.set(xscale="log", xlim=(2e-3, 3.6), yticks=range(len(names)), yticklabels=[SHORT[n] for n in names])
        axis.set_ylim(len(names) - 0.5, -0.5)
        what = "blends of 5 to 30 %" if blend else "whole policies"
        axis.set_title(f"{environment}: {what}", loc="left", fontsize=9)
        axis.grid(axis="x", color="0.9", lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", labelsize=8, length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        if i == 1:
            axis.set_xlabel("root mean square error, in units of the value", fontsize=8)
    handles = [Line2D([], [], marker="o", ls="", color=c, label=f"{k} propensities") for k, c in colors.items()]
    handles += [Line2D([], [], marker="o", ls="", color="0.5", ms=3 + 2.4 * k, label=f"{n:,} stays")
                for k, n in enumerate(sorted({r["stays"] for r in found}))]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def tables(cohorts: Sequence[Cohorts], rows: Sequence[Row]) -> dict[str, str]:
    """The page's tables as Markdown, by the name of their block."""
    found = summary(rows)
    return {
        "coverage": _coverage_table(cohorts),
        "thresholds": _threshold_table(cohorts),
        "by behaviour": _error_table(found["by behaviour"], "behavior"),
        "by confounding": _error_table(found["by confounding"], "hidden"),
        "blends": _blend_table(found["blends"]),
        "selection": _selection_table(found["selection"]),
    }


def _threshold_table(cohorts: Sequence[Cohorts]) -> str:
    """What limits of size, share and mean weight give on the problems they were chosen on, and on the third."""
    limits = Thresholds()
    tried = {
        "in use": (limits.effective_sample_size[0], limits.largest_share[0], limits.mean_weight[0]),
        "what the search gives": choose([one for one in cohorts if one.problem in CHOSEN_ON]),
        "starting point": FORMER,
    }
    groups = [[one for one in cohorts if one.problem in names] for names in (CHOSEN_ON, CONFIRMED_ON)]
    heads = ["limits", "patients", "largest share", "mean weight within", "two problems: least coverage", "supported"]
    lines = []
    for name, (size, share, mean) in tried.items():
        found = [least_coverage(group, (size, share, mean)) for group in groups]
        cells = [cell for least, kept in found for cell in (f"{least:.3f}", f"{kept:.0%}")]
        lines.append([name, f"{size:g}", f"{share:.0%}", f"{mean:.2f}", *cells])
    return markdown.table([*heads, "third problem: least coverage", "supported"], lines)


def _coverage_table(cohorts: Sequence[Cohorts]) -> str:
    found = table(cohorts, Thresholds())
    key = {(r["estimator"], r["method"], r["stays"], r["verdict"]): r for r in found}
    lines = []
    for name, method in dict.fromkeys((r["estimator"], r["method"]) for r in found):
        trios = [[key.get((name, method, stays, label)) for label in ORDER] for stays in SIZES]
        lines.append([SHORT[str(name)], method.replace("_", " "), *(" / ".join(map(_coverage, t)) for t in trios)])
    return markdown.table(["estimator", "method", *(f"{n:,}: S / W / N" for n in SIZES)], lines, words=2)


def _coverage(row: dict[str, Any] | None) -> str:
    return "–" if row is None or row["cohorts"] < 50 else f"{row['coverage']:.2f}"


def _error_table(found: Sequence[dict[str, Any]], by: str) -> str:
    names = ["behavior"] if by == "behavior" else ["behavior", by]
    heads = list(dict.fromkeys((r["environment"], *(str(r[k]) for k in names)) for r in found))
    key = {(r["estimator"], r["environment"], *(str(r[k]) for k in names)): r for r in found}
    lines = [[SHORT[n], *(_error(r) if (r := key.get((n, *h))) else "–" for h in heads)] for n in SHORT]
    return markdown.table(["estimator", *(", ".join(head) for head in heads)], lines)


def _blend_table(found: Sequence[dict[str, Any]]) -> str:
    heads = ["environment", "propensities", "share", *(f"{SHORT[name]}, RMSE" for name in WEIGHTED), *ORDER]
    lines = []
    for row in sorted(found, key=lambda r: (r["environment"], r["behavior"] != "true", int(r["share"]))):
        errors, labels = [_error({"rmse": row[name]}) for name in WEIGHTED], [f"{row[label]:.0%}" for label in ORDER]
        lines.append([row["environment"], row["behavior"], f"{row['share']} %", *errors, *labels])
    return markdown.table(heads, lines, words=2)


def _selection_table(found: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            r["environment"],
            SHORT[r["estimator"]],
            f"{r['spearman']:.2f}",
            f"{r['regret']:.3f}",
            f"{r['regret at 3']:.3f}",
        ]
        for r in found
    ]
    return markdown.table(["environment", "score", "Spearman", "regret at 1", "regret at 3"], lines, words=2)


def _error(row: dict[str, Any]) -> str:
    return f"{row['rmse']:.3f}" if row["rmse"] < 10 else "over 10"


def main(
    out: Annotated[Path, typer.Option(help="folder of the studies")] = FOLDER,
    docs: Annotated[Path, typer.Option(help="folder of the documentation")] = Path("docs"),
) -> None:
    """Draw the figures and put the tables into the page."""
    figures, page = docs / "figures", docs / "off_policy.md"
    figures.mkdir(parents=True, exist_ok=True)
    cohorts, rows = load(out), rows_of(out)
    draw_coverage(cohorts, figures / "coverage.png")
    draw_accuracy(rows, figures / "accuracy.png")
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Off-policy evaluation\n"
    for block, body in tables(cohorts, rows).items():
        text = put_block(text, block, "", body, command=COMMAND)
    write_text(page, text)


if __name__ == "__main__":
    typer.run(main)
