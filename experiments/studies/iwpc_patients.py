"""Reading the file of the International Warfarin Pharmacogenetics Consortium: who is in, and what is imputed.

Klein et al. (2009), N Engl J Med 360:753: patients with a stable dose and a target INR of 2-3. Genotypes of VKORC1
-1639 that are missing are taken from sites in strong linkage (1173, and where the patient is not black 2255 and 1542),
else count as unknown; so does an unknown CYP2C9, and rare alleles. Missing height and weight become the mean of the
same race and sex; co-medication that is not recorded counts as absent.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...patient_models.warfarin_spec import CYP2C9, VKORC1

IWPC_FILE = "iwpc/warfarin_iwpc_5700.csv"
RACES = {"White": 0, "Asian": 1, "Black or African American": 2}  # else 3: mixed or missing
LINKED = {  # site -> its genotypes by number of -1639 A alleles
    "VKORC1 1173 consensus": ("C/C", "C/T", "T/T"),
    "VKORC1 2255 consensus": ("C/C", "C/T", "T/T"),
    "VKORC1 1542 consensus": ("G/G", "C/G", "C/C"),
}
INDUCERS = ("Carbamazepine (Tegretol)", "Phenytoin (Dilantin)", "Rifampin or Rifampicin")
DOSE, HEIGHT, WEIGHT = "Therapeutic Dose of Warfarin", "Height (cm)", "Weight (kg)"
Row = Mapping[str, str]


@dataclass(frozen=True)
class IWPCPatients:
    """N patients with a stable dose."""

    person: Tensor  # (N, 6) age, weight, height, race (3: mixed or missing), amiodarone, inducer
    genotype: Tensor  # (N, 2) CYP2C9 (6: unknown) and VKORC1 (3: unknown)
    dose: Tensor  # (N,) mg a week
    complete: Tensor  # (N,) bool: nothing imputed or unknown, but for unrecorded co-medication
    counts: dict[str, int]  # patients read, left out and why, and values imputed


def read_iwpc(path: Path) -> IWPCPatients:
    """The patients of the file; FileNotFoundError where it is missing, ValueError for a file without its columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows: list[Row] = [row for row in csv.DictReader(file) if row.get("Race")]
    missing = {DOSE, HEIGHT, WEIGHT, *LINKED, *INDUCERS} - set(rows[0] if rows else ())
    if missing:
        raise ValueError(f"{path}: no column {', '.join(sorted(missing))}; expected the file of 5,700 patients")
    counts = Counter({"patients in the file": len(rows)})
    kept = [row for row in rows if _included(row, counts)]
    means = _means(kept)
    people = [_person(row, means, counts) for row in kept]
    genotypes = [(_cyp2c9(row, counts), _vkorc1(row, counts)) for row in kept]
    person, genotype = torch.tensor(people), torch.tensor(genotypes, dtype=torch.float32)
    sized = torch.tensor([_number(row[HEIGHT]) is not None and _number(row[WEIGHT]) is not None for row in kept])
    known = (person[:, 3] < 3) & (genotype[:, 0] < len(CYP2C9)) & (genotype[:, 1] < len(VKORC1)) & sized
    measured = torch.tensor([row["VKORC1 -1639 consensus"] in VKORC1 for row in kept])
    dose = torch.tensor([float(row[DOSE]) for row in kept])
    counts["patients used"] = len(kept)
    counts["of them without any imputed or unknown value"] = int((known & measured).sum())
    return IWPCPatients(person, genotype, dose, known & measured, dict(counts))


def _included(row: Row, counts: Counter[str]) -> bool:
    """Whether the patient counts, and if not, why."""
    target = _number(row["Target INR"])
    reasons = {
        "no stable dose": row["Subject Reached Stable Dose of Warfarin"] != "1" or _number(row[DOSE]) is None,
        "no age": not row["Age"][:1].isdigit(),
        "target INR not 2-3": target is not None and not 2 <= target <= 3,
    }
    for reason, applies in reasons.items():
        if applies:
            counts[reason] += 1
            return False
    return True


def _person(row: Row, means: dict[tuple[str, str, str], float], counts: Counter[str]) -> tuple[float, ...]:
    size = []
    for column, label in ((WEIGHT, "weights imputed"), (HEIGHT, "heights imputed")):
        value = _number(row[column])
        if value is None:
            counts[label] += 1
            value = means[column, row["Race"], row["Gender"]]
        size.append(value)
    inducer = any(row[column] == "1" for column in INDUCERS)
    age = float(row["Age"][:2])  # the decade is all that is recorded, and all that the equations want
    return (age, *size, float(RACES.get(row["Race"], 3)), float(row["Amiodarone (Cordarone)"] == "1"), float(inducer))


def _means(rows: list[Row]) -> dict[tuple[str, str, str], float]:
    """Mean height and weight by race and sex; that of all where nobody of a group was measured."""
    means: dict[tuple[str, str, str], float] = {}
    for column in (HEIGHT, WEIGHT):
        everyone = [v for row in rows if (v := _number(row[column])) is not None]
        for race, sex in {(row["Race"], row["Gender"]) for row in rows}:
            own = [
                v
                for row in rows
                if (row["Race"], row["Gender"]) == (race, sex) and (v := _number(row[column])) is not None
            ]
            means[column, race, sex] = sum(own) / len(own) if own else sum(everyone) / len(everyone)
    return means


def _cyp2c9(row: Row, counts: Counter[str]) -> int:
    found = row["CYP2C9 consensus"]
    if found in CYP2C9:
        return CYP2C9.index(found)
    counts["CYP2C9 unknown or rare"] += 1
    return len(CYP2C9)


def _vkorc1(row: Row, counts: Counter[str]) -> int:
    """Number of -1639 A alleles, from the site itself or a linked one; 3 where unknown."""
    if row["VKORC1 -1639 consensus"] in VKORC1:
        return VKORC1.index(row["VKORC1 -1639 consensus"])
    for site, genotypes in LINKED.items():
        if row[site] in genotypes and (site == "VKORC1 1173 consensus" or row["Race"] in ("White", "Asian")):
            counts["VKORC1 imputed from a linked site"] += 1
            return genotypes.index(row[site])
    counts["VKORC1 unknown"] += 1
    return len(VKORC1)


def _number(text: str) -> float | None:
    return None if text in ("", "NA") else float(text)
