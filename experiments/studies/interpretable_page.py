"""The page of policies that can be read, around its numbers."""

from __future__ import annotations

from typing import Any

_HEAD = """# Policies that can be read

Made by `python -m posology.experiments.studies.interpretable`, which keeps its numbers in
`docs/results/interpretable.json`.

## Trees

PPO learned in the true patient with its hard limits enforced, distilled on 4,000 of its own stays by
`agents/tree.py`. A tree is judged as it is printed: every way through its questions ends in one dose. *Same dose*:
share of decisions of 2,000 fresh stays for which it names the policy's likeliest dose. True values are means over
5,000 fresh patients whom everyone meets under the same luck, with 95 % intervals; the difference is paired.
"""

_SETS = """## Near-equivalent doses

Every dose that loses at most the share zeta of what lies between the best and the worst allowed one
(`agents/set_valued.py`). *Clinician's dose in it*: share of logged decisions. *Any of them*: the true value of giving
any dose of the set, each as likely: what the freedom costs. On ICU-Sepsis all is exact (best policy {best}); on sepsis,
values come from conservative Q-learning on 5,000 logged stays, sets from 2,000 others, true values from 5,000
patients.

| patient | zeta | doses in the set | clinician's dose in it | any of them |
|---|---:|---:|---:|---:|"""

TITLES = {
    "sepsis": ("Sepsis", "survival"),
    "warfarin": ("Warfarin, by dose", "time in therapeutic range"),
    "warfarin_relative": ("Warfarin, by change of dose", "time in therapeutic range"),
}


def page(found: dict[str, Any]) -> str:
    """The page in Markdown, from what is there."""
    lines = [_HEAD]
    for name, (title, value) in TITLES.items():
        if name in found:
            lines += [*_trees(title, value, found[name]), ""]
    if "icu_sets" in found and "sepsis_sets" in found:
        lines.append(_SETS.format(best=f"{found['icu_sets'][0]['value']:.4f}"))
        lines += [_set("ICU-Sepsis", row, f"{row['value']:.4f}") for row in found["icu_sets"]]
        lines += [_set("Sepsis", row, _interval(row["value"])) for row in found["sepsis_sets"]]
    return "\n".join(lines).rstrip() + "\n"


def _trees(title: str, value: str, part: dict[str, Any]) -> list[str]:
    lines = [
        f"### {title}",
        "",
        f"| who doses | ways through | same dose | {value} (95 %) | minus the policy (95 %) |",
        "|---|---:|---:|---:|---:|",
        f"| PPO | | | {_interval(part['policy'])} | |",
    ]
    for row in part["trees"]:
        low, high = row["difference"][1:]
        lines.append(
            f"| tree of {row['depth']} questions | {row['leaves']} | {100 * row['fidelity']:.0f} % | "
            f"{_interval(row['value'])} | {row['difference'][0]:+.3f} ({low:+.3f} to {high:+.3f}) |"
        )
    lines.append(f"| clinician | | | {_interval(part['clinician'])} | |")
    drugs = part["drugs"]
    names = " | ".join(f"{name}, {unit}" for name, unit in drugs)
    depth = max(row["depth"] for row in part["rules"])
    lines += ["", f"The tree of {depth} questions, read downwards:", ""]
    lines += [f"| if | {names} | decisions | the policy's own |", "|---|" + "---:|" * (len(drugs) + 2)]
    for row in part["rules"]:
        if row["depth"] == 0 and not row["doses"]:
            continue
        answer = "&emsp;" * 2 * max(row["depth"] - 1, 0) + row["answer"]
        if not row["doses"]:
            lines.append(f"| {answer} |{' |' * (len(drugs) + 2)}")
            continue
        doses = " | ".join(f"{dose:g}" for dose in row["doses"])
        lines.append(f"| {answer} | {doses} | {100 * row['share']:.1f} % | {100 * row['probability']:.0f} % |")
    return lines


def _set(patient: str, row: dict[str, Any], value: str) -> str:
    return f"| {patient} | {row['zeta']:g} | {row['size']:.1f} | {100 * row['inside']:.0f} % | {value} |"


def _interval(value: list[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
