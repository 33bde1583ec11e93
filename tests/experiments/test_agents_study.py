"""The studies of agents: means and intervals over seeds, and a judge that gives the clinician no gain over itself."""

from pathlib import Path

import pytest
import torch
from posology.experiments.sources import clinician
from posology.experiments.studies import agents, icu_sepsis_ppo
from posology.experiments.studies.agents import PLANS, Study, cells
from posology.experiments.studies.agents_page import rows_of


def cell(true: float, half: float, **more: float) -> dict:
    spread = {"low": true - half, "high": true + half, "gain": [true, true - half, true + half]}
    return {"true": true, **spread, "violations": [0.5, 0.4, 0.6], **more}


def test_seeds_widen_an_interval_that_patients_share() -> None:
    alone = rows_of({"cloning/0": cell(0.5, 0.03, claimed=0.6)})[0]
    assert alone["true"] == pytest.approx([0.5, 0.47, 0.53]) and alone["claimed"] == 0.6 and alone["own"] is None
    both = rows_of({"cloning/0": cell(0.4, 0.03), "cloning/1": cell(0.6, 0.03)})[0]
    assert both["seeds"] == 2
    half = (0.03**2 + (1.96 * 0.1) ** 2) ** 0.5  # the SD of the mean of .4 and .6 is .1
    assert both["true"] == pytest.approx([0.5, 0.5 - half, 0.5 + half])


def test_baselines_come_first_and_the_chosen_penalty_is_told() -> None:
    penalised = {**cell(0.7, 0.01), "penalty": 3.0}
    found = {"clinician": cell(0.5, 0.01), "rule:A rule": cell(0.6, 0.01), "cloning/0": cell(0.4, 0.01)}
    rows = rows_of({**found, "simulated/0": {"free": cell(0.2, 0.01), "penalised": penalised}})
    labels = ["Clinician", "A rule", "Behaviour cloning"]
    assert [row["label"] for row in rows[:3]] == labels and [row["baseline"] for row in rows[:3]] == [True, True, False]
    assert rows[-1]["penalty"] == [3.0] and rows[-2]["true"][0] == pytest.approx(0.2)


def test_the_clinician_gains_nothing_on_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "PATIENTS", 40)
    study = Study("sepsis", tmp_path)
    found = study.judged(study.core, clinician("sepsis", 1.0, 0.0))
    assert found["gain"][0] == 0 and 0 < found["violations"][0] < 0.5 and found["low"] < found["true"] < found["high"]


def test_all_agents_have_a_cell_for_each_seed(tmp_path: Path) -> None:
    keys = [key for key, _ in cells(Study("warfarin", tmp_path), 2)]
    assert len(keys) == len(set(keys)) and {"clinician", "best_fixed", "td3_bc/1", "true_ppo/1"} <= set(keys)
    assert keys.index("true_ppo/0") < keys.index("cloning/1")
    assert [name for name, plan in PLANS.items() if plan.continuous] == ["warfarin", "propofol"]


def test_the_worth_of_random_doses_is_exact() -> None:
    from posology.agents.mlp import MLP
    from posology.agents.network import NetworkPolicy

    flat = NetworkPolicy(MLP(((torch.zeros(25, 713), torch.zeros(25)),)))
    known = icu_sepsis_ppo.known()
    assert icu_sepsis_ppo.worth(flat)[0] == pytest.approx(known["random admissible doses"], abs=1e-6)
    assert known["clinician"] < known["optimum"]
