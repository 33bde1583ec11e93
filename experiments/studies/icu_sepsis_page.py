"""The text of the ICU-Sepsis page, around its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_HEAD = """# ICU-Sepsis

Made by `python -m posology.experiments.studies.icu_sepsis`, which keeps its numbers in
`docs/figures/icu_sepsis.json`.

ICU-Sepsis is a public tabular MDP of sepsis care, built from MIMIC-III (Choudhary, Gupta & Thomas 2024, arXiv
2406.05646): 713 states in care, 5 x 5 levels of fluid and vasopressor, one decision every 4 hours.
`posology/ICUSepsis-v0` puts it on the contract of every other patient. Its numbers come from the `icu-sepsis`
package (MIT licence):

```
pip install --no-deps icu-sepsis
```

Only its data files are read. Its code imports the discontinued `gym`, which `--no-deps` leaves out; the extra
`posology[icu-sepsis]` installs it along, unused. By its authors' own account it is a benchmark for algorithms and
no source of conclusions about care.

What a policy sees (`observation`): the 47 standardised measurements of the state as a record would show them, with
doses and time (`record`, the default); the 47 alone (`features`); or the state, one-hot (`state`). The last two say
nothing but the state, so a policy on them has an exact value by dynamic programming
(`patient_models/tabular_values.py`).

## Admissible actions

Of a state's 25 actions only those taken often enough in the data have a transition of their own (3 on average); the
others act as the mean of these. The published expert puts 16 % of its probability on the others. With
`inadmissible="forbidden"` (default) admissible means the same to everybody: clinicians choose among them,
`Decisions.allowed` masks the others, counted models know no others, estimators and planning go by the mask, and an
inadmissible action that is taken all the same is carried out as the nearest admissible one. With `"mean"`, the
package's own rule, every action may be chosen.

## Values, exactly
"""

_KNOB = """
## Clinician and confounding

The clinician is the expert on admissible actions, tilted by exp(confounding x .25 x SOFA in SD x levels), with 2 %
of any admissible action mixed in. The slope below is that of survival on how far the first dose (fluid plus
vasopressor level) lies from the expert's mean in that state, over admissions, computed exactly; the causal slope is
within states. The difference is bias: none at 0, growing with the knob, while the clinician's own quality hardly
moves. A state says everything that decides what comes next, so `hidden_confounding` does not apply and is refused.
"""

_WEIGHTS = """
## What importance weights are worth here

Exact effective sample size per logged stay of the clinician, by number of decisions: the squared mean of the
weights over their mean square (`patient_models/tabular_weights.py`). Stays last 9 decisions on average, up to 50.
"""

_PLANNING = """
## Planning in a counted model

Transitions are counted on stays of the expert, the best policy in the counted model is found exactly, and its claim
is compared with its exact true value (mean over three cohorts, smallest and greatest in brackets).
"""


def page(found: dict[str, Any], plans: Sequence[dict[str, Any]]) -> str:
    """The page in Markdown."""
    lines = [_HEAD, *_published(found["published"]), "", *_exact(found["exact"]), "", _COURSES, _KNOB]
    lines += [*_confounding(found["confounding"]), _WEIGHTS, *_weights(found["weights"]), _PLANNING, *_planned(plans)]
    return "\n".join([*lines, "", _figure()]) + "\n"


_COURSES = """![SOFA scores of 20 patients under four ways of treating them](../figures/icu_sepsis_courses.png)

*The same 20 patients with the same luck (common random numbers): the next state is drawn by inverting its
distribution over states sorted from worst to best.*"""


def _published(rows: Sequence[dict[str, Any]]) -> list[str]:
    given = {"random": ("0.78", "9.45"), "expert": ("0.78", "9.22"), "optimal": ("0.88", "10.99")}
    lines = [
        "The package's three policies under its own rule, by linear solve, beside its README (version 2.0.1):",
        "",
        "| policy | value | README | mean decisions | README |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        value, length = given[row["policy"]]
        lines.append(f"| {row['policy']} | {row['value']:.4f} | {value} | {row['decisions']:.2f} | {length} |")
    return lines


def _exact(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "With admissible actions alone; no intervals, since nothing is sampled. `at 50` is the value of the",
        "environment, in which a stay still in care after 50 decisions counts as alive.",
        "",
        "| policy | value | at 50 | mean decisions |",
        "|---|---|---|---|",
    ]
    for r in rows:
        lines.append(f"| {r['policy']} | {r['value']:.4f} | {r['horizon_value']:.4f} | {r['decisions']:.2f} |")
    lines += ["", "Random doses are as good as the expert here, so beating the clinician means little."]
    return lines


def _confounding(rows: Sequence[dict[str, float]]) -> list[str]:
    lines = [
        "| confounding | slope (points of survival per level) | causal | bias | clinician's value |",
        "|---|---|---|---|---|",
    ]
    for r in rows:
        points = " | ".join(f"{100 * r[key]:+.2f}" for key in ("slope", "causal", "bias"))
        lines.append(f"| {r['knob']:g} | {points} | {r['value']:.4f} |")
    return lines


def _weights(rows: Sequence[dict[str, float]]) -> list[str]:
    lines = ["| decisions | random | most frequent action | optimal |", "|---|---|---|---|"]
    for r in rows:
        share = " | ".join(f"{r[key]:.1e}" for key in ("random", "modal", "optimal"))
        lines.append(f"| {r['decisions']:.0f} | {share} |")
    return lines


def _planned(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = {
        ("mean", 0.0): "every action",
        ("forbidden", 0.0): "admissible",
        ("forbidden", 10.0): "admissible, prior 10",
    }
    lines = ["| actions | stays | claims | truly gets | gap |", "|---|---|---|---|---|"]
    for (rule, prior), name in names.items():
        for stays in sorted({row["stays"] for row in rows}):
            some = [r for r in rows if (r["rule"], r["prior"], r["stays"]) == (rule, prior, stays)]
            claimed, true = (np.array([r[key] for r in some]) for key in ("claimed", "true"))
            gap = float((claimed - true).mean())
            lines.append(f"| {name} | {stays:,} | {_spread(claimed)} | {_spread(true)} | {gap:.3f} |")
    return lines


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} [{values.min():.3f}, {values.max():.3f}]"


def _figure() -> str:
    return (
        "![Claimed and true value by number of logged stays](../figures/icu_sepsis_planning.png)\n\n"
        "*Thin lines: cohorts. What was never or once seen looks like certainty, and planning seeks it out. Masking\n"
        "the inadmissible actions removes some of the claim; adding ten visits of the state's mean to every action\n"
        "removes most of it and gives a better policy.*"
    )
