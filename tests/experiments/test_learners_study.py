"""The study of every learner side by side: it goes on where it was, and its page tells what it found."""

import shutil

import pytest
from posology.experiments.config import load_config
from posology.experiments.studies import learners as module

from .conftest import SMALL


def test_each_learner_is_valued_once_and_told(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CLAIMED", 200)
    monkeypatch.setattr(module, "TRUE", 200)
    config = load_config("demo", SMALL)
    results = tmp_path / "docs" / "results" / "learners.json"
    shutil.copytree(small_run[1], tmp_path / "runs" / small_run[1].name)
    settings = {"seeds": 1, "penalty": 1.0, "out": tmp_path / "runs", "results": results}
    found = module.study(config, ["masked_ppo", "cloning"], **settings)
    assert set(found["trained"]) == {"masked_ppo/0", "cloning/0"}
    assert set(found["references"]) == {"clinicians", "fitted clinician", "its imitation"}
    for one in found["trained"].values():
        assert (
            0 <= one["true"] <= 1 and 0 <= one["claimed"] <= 1 and 0 <= one["unsupported"] <= 1 and one["seconds"] > 0
        )

    monkeypatch.setattr(module, "_one", lambda *_: pytest.fail("trained again"))
    assert module.study(config, ["masked_ppo", "cloning"], **settings) == found
    found["trained"]["cloning/1"] = {**found["trained"]["cloning/0"], "true": 0.25}
    text = module.write_page(found, tmp_path / "docs").read_text()
    assert "| Masked PPO (`masked_ppo`) | the simulator | 1 |" in text and "| 0.2500 to " in text
