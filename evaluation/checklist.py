"""Where a report answers what reporting guidelines ask: TRIPOD+AI, DECIDE-AI, and Gottesman's questions.

TRIPOD+AI: Collins et al. 2024, BMJ 385:e078378. DECIDE-AI: Vasey et al. 2022, BMJ 377:e070904. Gottesman et al. 2019,
Nat Med 25:16. What an item asks is told here in our own words; the guidelines are the authority. Many items are for
the authors of a study to answer: a report of numbers cannot, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from .report import Frozen, Report
from .style import words
from .text_files import write_text

CHECKLIST_FILE = "checklist.json"
Status = Literal["reported", "partly", "not in this run", "for the authors"]

TITLES = {
    "lesson": "Lesson", "plain": "In plain words", "policies": "Policies", "confounding": "Hidden causes",
    "task": "The task", "cohort": "Cohort", "features": "Features", "behaviour": "Fitted clinician", "doses": "Doses",
    "safety": "Dose limits", "spread": "Worst and best stays", "tree": "As a tree", "subgroups": "Subgroups",
    "simulator": "Simulator", "external": "Another record set", "limits": "Limits", "privacy": "Privacy",
    "provenance": "Provenance",
}  # fmt: skip


class Item(Frozen):
    """One item of one guideline, and where the report answers it."""

    guideline: str
    item: str
    asks: str
    section: str = ""  # anchor on the page; empty: not there
    fields: tuple[str, ...] = ()  # of report.json
    whole: bool = True  # the section answers all that is asked


T, D, G = "TRIPOD+AI", "DECIDE-AI", "Gottesman 2019"
ITEMS = tuple(
    Item(guideline=guideline, item=item, asks=asks, section=section, fields=tuple(fields.split()), whole=whole)
    for guideline, item, asks, section, fields, whole in (
        (T, "1", "title names the kind of study", "lesson", "title", False),
        (T, "2", "structured summary", "plain", "policies", False),
        (T, "3", "background: condition, use, inequalities", "", "", False),
        (T, "4", "aims", "task", "task.description", False),
        (T, "5", "where the data come from, and from when", "cohort", "cohort.name provenance.data", False),
        (T, "6", "who is eligible, and what treatment they had", "task", "task.facts cohort.drugs", True),
        (T, "7", "how data were prepared", "task", "task.facts cohort.warnings", True),
        (T, "8", "outcome: what, when, how assessed", "task", "estimand task.facts", False),
        (T, "9", "predictors: what, when, how measured", "features", "cohort.features cohort.context", True),
        (T, "10", "sample size and why", "cohort", "cohort.splits cohort.decisions", False),
        (T, "11", "missing values", "features", "cohort.features task.facts", True),
        (T, "12", "analysis: partition, models, measures", "provenance", "cohort.splits simulator behavior", True),
        (T, "13", "class imbalance", "", "", False),
        (T, "14", "fairness", "subgroups", "subgroups", False),
        (T, "15", "what the model puts out", "task", "task.levels", True),
        (T, "16", "differences between development and evaluation data", "external", "external", True),
        (T, "17", "ethics approval", "", "", False),
        (T, "18a-d", "funding, interests, protocol, registration", "", "", False),
        (T, "18e-f", "data and code", "provenance", "provenance", False),
        (T, "19", "patient and public involvement", "", "", False),
        (T, "20", "flow of participants and their features", "cohort", "cohort.flow cohort.features", True),
        (T, "21", "numbers of participants and events per analysis", "cohort", "cohort.splits cohort.outcomes", True),
        (T, "22", "the model in full", "provenance", "config_hash provenance", False),
        (T, "23a", "performance with intervals, also in subgroups", "policies", "policies subgroups", True),
        (T, "23b", "performance across sites", "subgroups", "subgroups external", False),
        (T, "24", "model updating", "", "", False),
        (T, "25", "overall interpretation", "plain", "policies", True),
        (T, "26", "limitations", "limits", "limits", True),
        (T, "27", "use in practice: poor input, users, next steps", "limits", "limits", False),
        (D, "1", "title names the system and the problem", "lesson", "title", False),
        (D, "2", "intended use", "limits", "limits", False),
        (D, "3", "participants: who, how recruited, how many", "cohort", "cohort.flow", True),
        (D, "4", "the system: version, inputs, outputs", "provenance", "provenance task", True),
        (D, "5", "implementation at the bedside", "", "", False),
        (D, "6", "how safety and errors are looked for", "safety", "policies.*.constraints", True),
        (D, "7", "how human factors are studied", "", "", False),
        (D, "8", "ethics: bias and equity", "subgroups", "subgroups", False),
        (D, "9", "participants: baseline and flow", "cohort", "cohort.flow cohort.context", True),
        (D, "10", "how it was used", "", "", False),
        (D, "11", "changes made on the way", "", "", False),
        (D, "12", "agreement of people and system", "doses", "policies.*.agreement policies.*.kappa", True),
        (D, "13", "errors and harm found", "safety", "policies.*.constraints", False),
        (D, "14", "usability", "", "", False),
        (D, "15", "does it bear out the intended use", "plain", "policies", False),
        (D, "16", "safety profile", "safety", "policies.*.constraints", True),
        (D, "17", "data availability", "provenance", "provenance.data", False),
        (D, "I-X", "abstract, aims, governance, outcomes, analysis, involvement, results, subgroups, limits, interests",
         "policies", "policies subgroups limits", False),
        (G, "1", "are all variables there that moved the decisions", "limits", "limits task.facts", False),
        (G, "1a", "how well is the clinicians’ behaviour known", "behaviour", "behavior sites", True),
        (G, "1b", "and if not: how strong would a hidden cause have to be", "confounding", "sensitivity", True),
        (G, "2", "how much data really bear on the policy", "policies",
         "policies.*.estimates.*.effective_sample_size policies.*.estimates.*.verdict", True),
        (G, "3", "will it behave as intended: what does it do, and where", "doses", "policies.*.actions", True),
        (G, "3a", "does it beat simple baselines, on more than one estimate", "policies", "policies", True),
        (G, "3b", "what would it do to those unlike the training patients", "external", "external", True),
    )
)  # fmt: skip

_THERE: dict[str, Callable[[Report], bool]] = {
    "confounding": lambda r: r.sensitivity is not None,
    "task": lambda r: r.task is not None,
    "features": lambda r: bool(r.cohort.features),
    "behaviour": lambda r: r.behavior is not None,
    "doses": lambda r: any(p.actions for p in r.policies.values()),
    "safety": lambda r: any(p.constraints for p in r.policies.values()),
    "spread": lambda r: bool(r.distributions) or any(p.worst_tenth for p in r.policies.values()),
    "tree": lambda r: r.tree is not None,
    "subgroups": lambda r: bool(r.subgroups),
    "external": lambda r: r.external is not None,
}


def has(report: Report, section: str) -> bool:
    """Whether the page of this report has the section."""
    return section not in _THERE or _THERE[section](report)


def status(report: Report, item: Item) -> Status:
    """Whether the report answers an item."""
    if not item.section:
        return "for the authors"
    if not has(report, item.section):
        return "not in this run"
    return "reported" if item.whole else "partly"


def checklist(report: Report) -> dict[str, object]:
    """Every item with its status, its section and the fields of report.json that hold the numbers."""
    return {
        "schema_version": "1",
        "report": {"name": report.name, "config_hash": report.config_hash},
        "sources": {
            T: "Collins GS et al. BMJ 2024;385:e078378",
            D: "Vasey B et al. BMJ 2022;377:e070904",
            G: "Gottesman O et al. Nat Med 2019;25:16-18",
        },
        "items": [
            {
                "guideline": item.guideline,
                "item": item.item,
                "asks": item.asks,
                "status": (found := status(report, item)),
                "section": item.section if found in ("reported", "partly") else "",
                "fields": list(item.fields) if found in ("reported", "partly") else [],
            }
            for item in ITEMS
        ],
    }


def write_checklist(report: Report, folder: Path) -> Path:
    """Write checklist.json into the run folder, whole or not at all."""
    return write_text(folder / CHECKLIST_FILE, json.dumps(checklist(report), indent=1, ensure_ascii=False) + "\n")


def rows(report: Report) -> list[tuple[Item, Status, str]]:
    """Items with their status and the title of their section, for the page."""
    return [(item, status(report, item), TITLES.get(item.section, words(item.section))) for item in ITEMS]
