"""The text of the safety page, around its numbers."""

from __future__ import annotations

from typing import Any

_HEAD = """# Constraints and the shield

Made by `python -m posology.experiments.studies.safety`, which keeps its numbers in `docs/figures/safety.json`.

One `Constraint` object masks, projects, trains and reports. Kinds, each with its unit:

| kind | in `envs/` | what it says |
|---|---|---|
| hard dose limit | `DoseLimit` (`constraints.py`) | a mean rate up to a limit, from some hour on |
| rate of change | `StepLimit`, `ChangeLimit` (`change_limit.py`) | stopping is always allowed |
| cumulative | `CourseLimit` (`course_limit.py`) | all that is ever given |
| contraindication | `StateRule` (`state_rules.py`), `Withheld` (`withheld.py`) | named rules, Festor's among them |
| physiological range | `StateLimit` (`state_limits.py`) | how far a value is out of range |
| budget | `AmountGiven`, `TimeBeyond` (`budgets.py`) | what a stay may cost on average: see [budgets.md](budgets.md) |
| support | `behavior_support` (`score_limits.py`) | clinicians do it with at least some probability |
| dead end | `dead_end` (`score_limits.py`) | death is likely whatever is done: see [dead_ends.md](dead_ends.md) |
| tail risk | `tail_risk` (`score_limits.py`) | what the worst cases lose, by `agents/return_quantiles.py` |
| uncertainty | `Deferral`, `DoseDeferral` (`deferral.py`) | handed back: see [deferral.md](deferral.md) |

The published rules are those of Festor et al. (2022), BMJ Health Care Inform 29:e100549. `shield(treatment,
constraints)` (`shield.py`) executes the hard ones, in this order: forbidden actions are masked; one that is taken all
the same becomes the nearest permitted one (levels) or is projected (continuous doses); where nothing is permitted or
the agent is unsure, a named fallback decides. A step keeps the dose that was asked for and the costs it would have had
beside what was executed. Constraints that leave one of 10,000 sampled states without any dose are an error that shows
the state, unless a fallback is declared.
"""

_EXACT = """
## ICU-Sepsis, exactly

Share of decisions that break each rule, and value, by linear solve; every action may be chosen (`inadmissible="mean"`).
"""

_SIMULATED = """
## With the shield, simulated

Each actor treats the same {patients:,} patients under the same luck, without and with the shield. The price is what
survival is lost, with its 95 % interval over patients: below 0, patients fared better. *Attempted* and *executed* are
shares of decisions with the shield on, of rules that anybody tried to break; where none was broken, the upper 95 %
bound on the share of patients with a violation is {bound}.
"""

_FRONTIERS = """
## Value against limit

![Four frontiers of value against the limit of a constraint](figures/safety_frontiers.png)

*Above: the best policy that keeps the constraint, exactly. Below left: the best policy of a model counted on 5,000
stays, where decisions that rest on few visits go back to the clinician, exactly; handing back costs value here, for the
clinician is no better than chance. Below right: 2,000 simulated patients, shaded 95 % intervals.*
"""


def page(found: dict[str, Any], patients: int) -> str:
    """The page in Markdown."""
    lines = [_HEAD, _EXACT, *_rules(found["rules"]), _SIMULATED.format(patients=patients, bound=_bound(found))]
    lines += _actors("ICU-Sepsis", found["icu"]) + [""] + _actors("Sepsis", found["sepsis"])
    return "\n".join([*lines, _FRONTIERS])


def _rules(rows: list[dict[str, Any]]) -> list[str]:
    names = list(rows[0]["broken"])
    lines = [f"| policy | value | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for row in rows:
        shares = " | ".join(_share(row["broken"][name]) for name in names)
        lines.append(f"| {row['policy']} | {row['value']:.4f} | {shares} |")
    values = {row["policy"]: row["value"] for row in rows}
    price = values["Optimal, unconstrained"] - values["Optimal under the rules"]
    return [*lines, "", f"The price of keeping all the rules is {price:.4f} of the best value."]


def _actors(name: str, rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"**{name}**",
        "",
        "| actor | free | shielded | price | decisions changed |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        price, low, high = row["price"]
        lines.append(
            f"| {row['actor']} | {row['free']:.3f} | {row['shielded']:.3f} | {price:+.3f} [{low:+.3f}, {high:+.3f}] | "
            f"{_share(row['changed'])} |"
        )
    lines += ["", "| actor | rule | attempted | executed |", "|---|---|---|---|"]
    for row in rows:
        for rule, (rate, *_) in row["attempted"].items():
            executed = row["executed"][rule][0]
            if rate or executed:
                lines.append(f"| {row['actor']} | {rule} | {_share(rate)} | {_share(executed)} |")
    return lines


def _bound(found: dict[str, Any]) -> str:
    """The bound on the share of patients with a violation where none was seen."""
    executed = [rate for row in (*found["icu"], *found["sepsis"]) for rate in row["executed"].values()]
    return _share(max(high for rate, _, high in executed if rate == 0))


def _share(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.2f} %"
