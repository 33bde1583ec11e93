import pytest
from posology.envs import treatment
from posology.experiments.config import ConfigError, load_config
from posology.experiments.plan import plan_of
from posology.experiments.worth import shaped_of


def test_shaping_is_asked_for_in_the_config_and_retrains_policies_alone():
    plain, config = load_config("demo"), load_config("demo", ["reward.shaping.severity={sofa: 0.1, map: -0.05}"])
    assert shaped_of(plain, treatment("posology/Sepsis-v0")) is None
    assert shaped_of(config, treatment("posology/Sepsis-v0")) is not None
    before, after = plan_of(plain), plan_of(config)
    changed = {name for name in before if before[name].key != after[name].key}
    assert changed == {name for name in before if name.startswith("ppo_")} | {"evaluation"}


def test_what_cannot_be_shaped_is_said():
    with pytest.raises(ConfigError, match="reward.shaping.severity: no feature 'sofaa'"):
        shaped_of(load_config("demo", ["reward.shaping.severity={sofaa: 0.1}"]), treatment("posology/Sepsis-v0"))
    with pytest.raises(ConfigError, match="did you mean 'keeps_optimum'"):
        load_config("demo", ["reward.shaping={severity: {sofa: 0.1}, keep_optimum: true}"])
