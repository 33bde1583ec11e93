"""Every learner that a config can name, in a run: trained, saved without pickle, judged, watched."""

import re
import shutil

import pytest
import torch
from posology.agents import AGENTS
from posology.agents.levelled import LevelledPolicy
from posology.agents.save import load_any_policy
from posology.agents.table import CONTINUOUS, LABELS
from posology.contracts import DiscretePolicy
from posology.envs import treatment
from posology.evaluation.report import load_report
from posology.experiments.config import ConfigError, ExperimentConfig, load_config
from posology.experiments.learners import acts_by, learned_in, levelled, needs_doses
from posology.experiments.plan import learner_stage, plan_of
from posology.experiments.runner import run_experiment
from posology.experiments.stages import Run
from posology.experiments.watch import follow, scene_of

from .conftest import SMALL

OFFLINE = ("cloning", "batch_constrained", "conservative_q", "implicit_q", "double_q", "td3_bc")
BESIDE = ("cloning", "td3_bc")


def options(field: str) -> list[str]:
    return re.findall(r"'([a-z_0-9]+)'", str(ExperimentConfig.model_fields[field].annotation))


def test_every_learner_of_a_config_is_in_the_tables():
    assert {*options("learner"), *options("offline")} == set(LABELS) <= set(AGENTS)
    assert set(options("offline")) == set(OFFLINE) and set(LABELS) >= CONTINUOUS


def test_each_learner_plans_stages_of_its_own():
    plan = plan_of(load_config("demo", ["learner=masked_ppo", "offline=[implicit_q, cloning]"]))
    assert {"masked_ppo_0", "masked_ppo_1", "offline_implicit_q", "offline_cloning"} <= set(plan)
    assert {"offline_cloning", "masked_ppo_0"} <= set(plan["evaluation"].needs)
    assert plan["masked_ppo_1"].title == "training Masked PPO, penalty 1"
    with pytest.raises(ConfigError, match="offline.0"):
        load_config("demo", ["offline=[bcq]"])


@pytest.mark.parametrize("name", options("learner"))
def test_every_learner_trains_in_a_run_and_is_loaded_back(name, small_config, tmp_path):
    config = load_config("demo", [*SMALL, f"learner={name}", "ppo.steps=1024", "ppo.environments=32"])
    action = "continuous" if name in CONTINUOUS else "levels"
    env = treatment("posology/Sepsis-v0", action=action)
    start = None

    def trained(folder):
        run = Run(folder, plan_of(config))
        return learned_in(env, config, run, start, penalty=0.0, first_seed=5), run.folder / learner_stage(config, 0.0)

    policy, stage = trained(tmp_path / "first")
    again, _ = trained(tmp_path / "second")
    obs = env.observe(env.admit(torch.randn(64, env.admit_noise_dim, generator=torch.Generator().manual_seed(0))))
    noise = torch.randn(64, policy.noise_dim, generator=torch.Generator().manual_seed(1))
    assert torch.equal(policy.act(obs, None, noise), again.act(obs, None, noise)), "same seed, same policy"
    assert torch.equal(load_any_policy(stage / "policy").act(obs, None, noise), policy.act(obs, None, noise))
    assert {p.suffix for p in stage.rglob("*") if p.is_file()} == {".json", ".safetensors"}
    assert acts_by(policy) == action and isinstance(levelled(policy, env.spec), DiscretePolicy)


def test_a_policy_of_doses_is_levelled_by_how_often_they_fall_into_each():
    env = treatment("posology/Sepsis-v0", action="continuous")

    class Two:  # half of its doses are none at all, the others the highest of both drugs
        noise_dim = 2

        def act(self, obs, allowed, noise):
            return torch.where(noise[:, :1] < 0, -1.0, 1.0).expand(-1, 2)

        def log_prob(self, obs, allowed, action):
            raise NotImplementedError

    policy = levelled(Two(), env.spec)
    assert isinstance(policy, LevelledPolicy)
    probs = policy.probs(torch.zeros(3, env.observation_dim), None)
    assert probs.shape == (3, 25) and torch.allclose(probs.sum(1), torch.ones(3))
    assert (probs[:, [0, 24]] - 0.5).abs().max() < 0.2 and probs[:, 1:24].max() == 0
    allowed = torch.ones(3, 25, dtype=torch.bool)
    allowed[:, 24] = False
    assert torch.equal(policy.probs(torch.zeros(3, env.observation_dim), allowed)[:, 0], torch.ones(3))


def test_patients_that_take_no_continuous_doses_say_so_before_any_work(tmp_path, quiet):
    config = load_config("tumor", ["learner=sac"])
    assert needs_doses(config) and not needs_doses(load_config("tumor", ["offline=[implicit_q]"]))
    with pytest.raises(ConfigError, match="'tumor' do not take"):
        run_experiment(config, tmp_path, console=quiet)
    assert not [path for path in tmp_path.glob("*/*") if path.is_dir()]


@pytest.fixture(scope="module")
def mixed_run(small_run, quiet, tmp_path_factory):
    """A finished run of SAC beside agents that learn from records: on the patients and simulator of the small run."""
    config = load_config(
        "demo", [*SMALL, "learner=sac", "ppo.steps=1024", "ppo.penalties=[1.0]", f"offline=[{', '.join(BESIDE)}]"]
    )
    out = tmp_path_factory.mktemp("mixed")
    shutil.copytree(small_run[1], out / f"{config.name}-{config.hash}")
    return run_experiment(config, out, console=quiet).parent


def test_sac_and_the_offline_agents_are_judged_beside_the_clinician(mixed_run):
    report = load_report(mixed_run)
    for name in ("sac", "sac_unpenalised", *BESIDE):
        policy = report.policies[name]
        assert policy.simulator_value.value is not None and policy.true_value.low <= policy.true_value.value
        assert len(policy.constraints) == 2 and policy.estimates and policy.unsupported is not None
        assert sum(map(sum, policy.actions)) == pytest.approx(1)
    assert report.policies["td3_bc"].kind == "other" and "continuous doses" in report.policies["td3_bc"].description
    assert "SAC" in report.policies["blend_10"].label
    page = (mixed_run / "report.html").read_text()
    assert all(LABELS[name] in page.replace("&#43;", "+") for name in BESIDE)


@pytest.mark.parametrize("policy", ["sac", "sac_1", "cloning", "td3_bc"])
@pytest.mark.parametrize("learned", [False, True])
def test_their_patients_can_be_watched(mixed_run, policy, learned):
    scene = scene_of(mixed_run, policy, learned=learned)
    doses = policy != "cloning"
    assert [t.actions for t in scene.treatments] == [25, None if doses else 25]
    course = follow(scene.treatments[1], scene.actors[1], scene.first)
    assert course.decisions >= 1
