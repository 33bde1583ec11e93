"""A run that is killed outright, in the middle of training the simulator, ends with the numbers of an unbroken one."""

import yaml
from posology.experiments.studies.kill import finish, folder_in, killed, numbers


def test_a_run_killed_while_the_simulator_learns_goes_on_to_the_same_numbers(small_run, small_config, tmp_path):
    out, config = tmp_path / "runs", tmp_path / "demo.yaml"
    config.write_text(yaml.safe_dump(small_config.model_dump(mode="json")))
    learning = "*/simulator.tmp/checkpoints/lstm_member_0.safetensors"
    states = killed(str(config), [], out, lambda: bool(list(out.glob(learning))))
    assert states["records"] == "done" and states["simulator"] == "interrupted" and states["evaluation"] == "waiting"
    (kept,) = out.glob(learning)
    assert kept.stat().st_size > 1000
    folder, _ = finish(str(config), [], out)
    assert folder == folder_in(out) and numbers(folder) == numbers(small_run[1])
