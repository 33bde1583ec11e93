"""Tables of the patient study as Markdown, put between marks of the documentation's pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from ...contracts import Treatment
from ..sources import SOURCES, source, true_treatment
from ..stages import write_text

Found = dict[str, Any]
COMMAND = "python -m posology.experiments.studies.patients"
BLOCK = "<!-- {name}: written by `{command}` -->\n{text}\n<!-- end -->"


def update_page(name: str, found: Found, folder: Path) -> Path:
    """Put the tables of a source into its page, which is begun where there is none."""
    path = folder / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else _begun(name)
    bodies = {"policies": policy_lines(found), "confounding": confounding_lines(found)}
    if "shifts" in found:
        bodies["shifts"] = shift_lines(found["shifts"])
    for block, body in bodies.items():
        text = put_block(text, block, name, "\n".join(body))
    write_text(path, text)
    return path


def put_block(text: str, block: str, name: str, body: str, *, command: str = COMMAND) -> str:
    """The text with the marked block of a command's output replaced, or appended where there is none."""
    whole = BLOCK.format(name=block, command=f"{command} {name}".strip(), text=body)
    pattern = re.compile(rf"<!-- {block}: .*?<!-- end -->", re.DOTALL)
    return pattern.sub(lambda _: whole, text) if pattern.search(text) else f"{text.rstrip()}\n\n{whole}\n"


def _begun(name: str) -> str:
    known = source(name)
    return (
        f"# {known.model}\n\n`{known.environment}`; `posology simulate {name}`.\n\n"
        f"![Twenty patients](../figures/patients_{name}.png)\n"
    )


def policy_lines(found: Found) -> list[str]:
    """Everybody's value, difference from the clinician, and broken constraints."""
    table = found["policies"]
    limits = list(table["rows"][0]["broken"])
    head = ["policy", "value (95 %)", "minus clinician (95 %)", *limits]
    lines = [_line(head), _line(["---"] + ["---:"] * (len(head) - 1))]
    for row in table["rows"]:
        gap = "" if row["name"] == "clinician" else _interval(row, "difference", sign=True)
        cells = [row["label"], _interval(row, "value"), gap]
        lines.append(_line([*cells, *(f"{100 * row['broken'][limit]:.0f} %" for limit in limits)]))
    return lines


def shift_lines(rows: list[Found]) -> list[str]:
    """Values (95 %) by population, a column per policy."""
    who = list(rows[0]["values"])
    lines = [_line(["patients", *who]), _line(["---"] + ["---:"] * len(who))]
    for row in rows:
        cells = [dict(zip(("value", "low", "high"), row["values"][one], strict=True)) for one in who]
        lines.append(_line([row["label"], *(_interval(cell, "value") for cell in cells)]))
    return lines


def confounding_lines(found: Found) -> list[str]:
    """The bias under each knob, and the clinician's value beside it."""
    table = found.get("confounding")
    if table is None:
        return ["No regression: the clinician's doses do not follow a rule times a factor."]
    about = table["regression"]
    outcome = f"{'log ' if about['log'] else ''}{about['outcome']}"
    lines = [
        f"Regression of {outcome} on log({about['drug']} / rule), {table['patients']:,} patients; "
        f"the true slope is {table['rows'][0]['truth']:.3g}.",
        "",
        _line(
            ["confounding", "hidden", "slope", "bias (95 %)", "moved by the knob (95 %)", "clinician's value (95 %)"]
        ),
        _line(["---:"] * 6),
    ]
    for row in table["rows"]:
        knobs = [f"{row['confounding']:g}", f"{row['hidden_confounding']:g}"]
        moved = "" if row["moved"] == 0 else _interval(row, "moved", sign=True)
        cells = [*knobs, f"{row['slope']:.3g}", _interval(row, "bias", sign=True), moved, _interval(row, "quality")]
        lines.append(_line(cells))
    return lines


def summary_lines(everyone: dict[str, Found]) -> list[str]:
    """One line per source: environment, size, and who is worth what."""
    head = ["patients", "decisions", "actions", "value is", "clinician", "none", "best fixed", "maximal", "bias at 1"]
    lines = [_line(head), _line(["---"] * 4 + ["---:"] * 5)]
    for name in SOURCES:
        if name not in everyone:
            continue
        treatment, found = true_treatment(name), everyone[name]
        rows = {row["name"]: row for row in found["policies"]["rows"]}
        lines.append(
            _line(
                [
                    f"[{name}]({name}.md)",
                    _decisions(treatment),
                    str(treatment.actions or "continuous"),
                    source(name).reward.replace("_", " "),
                    *(_number(rows[key]["value"], 1.0) for key in ("clinician", "none", "best_fixed", "maximal")),
                    _bias_at_one(found),
                ]
            )
        )
    return lines


def _decisions(treatment: Treatment) -> str:
    state = treatment.admit(torch.zeros(1, treatment.admit_noise_dim))
    hours = float(treatment.interval(state, treatment.encode(state, state.last_dose))[0])
    for unit, size in (("d", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if hours >= size * 0.999:
            return f"{treatment.horizon} x {hours / size:.3g} {unit}"
    return f"{treatment.horizon} x {hours * 3600:.3g} s"


def _bias_at_one(found: Found) -> str:
    table = found.get("confounding")
    if table is None:
        return ""
    row = next(r for r in table["rows"] if (r["confounding"], r["hidden_confounding"]) == (1.0, 0.0))
    return f"{row['bias']:+.2g} of {row['truth']:.2g}"


def _interval(row: Found, key: str, *, sign: bool = False) -> str:
    low, high = (row[f"{key}_{end}"] if key != "value" else row[end] for end in ("low", "high"))
    size = max(abs(row[key]), high - low)
    value, low, high = (_number(x, size, sign=sign) for x in (row[key], low, high))
    return f"{value} ({low} to {high})"


def _number(x: float, size: float, *, sign: bool = False) -> str:
    digits = 1 if size >= 10 else 3 if size >= 0.1 else 4
    return f"{x:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
