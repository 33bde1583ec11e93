"""The text of the deferral page, around its numbers."""

from __future__ import annotations

from typing import Any

from .deferral_figure import LIMITS, MEASURES, POLICIES, curve

_HEAD = """# Deferral: handing unsure decisions back

Made by `python -m posology.experiments.studies.deferral`, which keeps its numbers in `docs/results/deferral.json`.

Two policies learned in a simulator that was learned from 1,500 sepsis stays: one free to exploit it, one penalised
where its members disagree. In the true patient, a decision goes back to the clinician where the simulator is more in
doubt about the dose asked for than a limit (`DoseDeferral` in `envs/deferral.py`, executed by `envs/shield.py`). The
limits are quantiles in the simulator, so nothing of the truth is used; the shares are those that came of them in the
truth. *Doubt* is how little like this state and dose the training stays hold; *disagreement* adds the spread of the
members. The control hands back as many decisions at random. 3,000 patients, the same for everyone; dose limits are
counted and not executed here.

![Survival and violations against the share of decisions handed back](figures/deferral.png)

*Shaded: 95 % intervals over stays. At the right end every decision is the clinician's.*

*Gain*: survival minus that of as many handed back at random, with its 95 % interval, paired. *Over limits*: decisions
above the fluid and above the norepinephrine limit; the clinician keeps to neither.
"""


def page(found: dict[str, Any]) -> str:
    """The page in Markdown, from what is there."""
    lines = [_HEAD]
    for policy, title in POLICIES.items():
        if policy not in found:
            continue
        lines += [
            f"## {title}",
            "",
            "| handed back by | share | survival (95 %) | at random | gain (95 %) | over limits | at random | "
            "h with MAP < 65 |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            _alone("nothing", "0", found[policy]),
        ]
        for measure, (name, _) in MEASURES.items():
            lines += [_row(name, share, row) for share, row in curve(found, policy, measure)]
        lines += [_alone("everything: the clinician", "100 %", found["clinician"]), "", _best(found, policy), ""]
    return "\n".join(lines).rstrip() + "\n"


def _best(found: dict[str, Any], policy: str) -> str:
    """In words, the best of what was tried."""
    rows = [(row, share, name) for m, (name, _) in MEASURES.items() for share, row in curve(found, policy, m)]
    row, share, name = max(rows, key=lambda one: one[0]["by"]["value"][0])
    alone, clinician = (found[who]["value"][0] for who in (policy, "clinician"))
    value = row["by"]["value"][0]
    told = f"With {100 * share:.0f} % handed back by {name} survival is {value:.3f}"
    if value > max(alone, clinician):
        return f"{told}: more than the policy alone ({alone:.3f}) and the clinician alone ({clinician:.3f}) reach."
    if value > alone:
        return f"{told}: more than the policy alone ({alone:.3f}), less than the clinician alone ({clinician:.3f})."
    return (
        f"{told}, no more than the policy alone ({alone:.3f}): what it is unsure of it does no worse than the "
        f"clinician ({clinician:.3f}), so handing back costs."
    )


def _row(name: str, share: float, row: dict[str, Any]) -> str:
    gain = row["gain"]
    return (
        f"| {name} | {100 * share:.0f} % | {_interval(row['by']['value'])} | {row['random']['value'][0]:.3f} | "
        f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f}) | {_percent(row['by'])} | {_percent(row['random'])} | "
        f"{row['by']['hours'][0]:.1f} |"
    )


def _alone(name: str, share: str, row: dict[str, Any]) -> str:
    return f"| {name} | {share} | {_interval(row['value'])} | | | {_percent(row)} | | {row['hours'][0]:.1f} |"


def _percent(row: dict[str, Any]) -> str:
    return " / ".join(f"{100 * row[limit][0]:.1f} %" for limit in LIMITS)


def _interval(value: list[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
