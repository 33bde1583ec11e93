import pytest
from posology.experiments.config import ConfigError, data_path, load_config, shipped


def test_every_shipped_config_is_valid():
    assert {"demo", "sepsis_mimic"} <= set(shipped())
    for name in shipped():
        assert load_config(name).name == name


def test_overrides_reach_nested_settings_and_change_the_hash():
    plain, changed = load_config("demo"), load_config("demo", ["ppo.steps=1000", "cohort.patients=50", "blends=[0.2]"])
    assert (changed.ppo.steps, changed.cohort.patients, changed.blends) == (1000, 50, (0.2,))
    assert plain.hash != changed.hash
    assert plain.hash == load_config("demo").hash


def test_the_hash_does_not_depend_on_where_the_data_lies():
    assert load_config("sepsis_mimic").hash == load_config("sepsis_mimic", ["cohort.path=/elsewhere"]).hash


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["ppo.stepz=3"], "did you mean 'steps'"),
        (["evaluatoin.draws=3"], "did you mean 'evaluation'"),
        (["cohort.patient=3"], "did you mean 'patients'"),
        (["cohort.patient=3"], "hidden_confounding, kind, path"),
        (["cohort.kind=record"], "cohort"),
        (["ppo.steps=-1"], "ppo.steps"),
        (["blends=[1.5]"], "blends"),
        (["ppo.steps"], "key.path=value"),
        (["name.first=a"], "holds a value"),
        (["seed=[1"], "not valid YAML"),
    ],
)
def test_a_bad_override_says_what_is_wrong(overrides, words):
    with pytest.raises(ConfigError, match=words):
        load_config("demo", overrides)


def test_bad_files_are_refused_in_one_sentence(tmp_path):
    broken, listed, binary = tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"
    broken.write_text("name: [")
    listed.write_text("- 1")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words in ((broken, "not valid YAML"), (listed, "mapping"), (binary, "not valid YAML")):
        with pytest.raises(ConfigError, match=words):
            load_config(path)
    with pytest.raises(ConfigError, match="demo"):
        load_config("nowhere")


def test_a_data_path_reads_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    assert data_path("${SOME_DATA}") == tmp_path
    monkeypatch.delenv("SOME_DATA")
    with pytest.raises(ConfigError, match="SOME_DATA"):
        data_path("${SOME_DATA}")
    with pytest.raises(ConfigError, match="does not exist"):
        data_path(str(tmp_path / "missing"))
