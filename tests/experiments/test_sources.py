"""Every source of patients with known truth has all that a run needs of it, and says it in words."""

import pytest
import torch
from posology.contracts import Clinician, Drug, Spec
from posology.envs import REWARDS
from posology.experiments.config import ConfigError, load_config
from posology.experiments.judged import nothing
from posology.experiments.sources import SOURCES, clinician, member, source, true_treatment
from posology.experiments.worth import reward_name, reward_of
from posology.trajectories.rollout import rollout
from posology.trajectories.task_file import load_task

PATIENTS = 40


@pytest.fixture(params=SOURCES)
def name(request):
    return request.param


def test_the_environment_is_what_the_task_describes(name):
    treatment, task = true_treatment(name), load_task(source(name).task)
    assert treatment.spec == task.spec and treatment.horizon == task.horizon
    state = treatment.admit(torch.zeros(1, treatment.admit_noise_dim))
    first = treatment.interval(state, treatment.encode(state, torch.zeros(1, len(task.drugs))))
    assert torch.equal(first, torch.tensor([task.interval]))


def test_clinician_and_rules_act_in_it(name):
    treatment = true_treatment(name)
    for actor in (clinician(name, 1.0, 0.0), *(rule.acting() for rule in source(name).rules)):
        assert isinstance(actor, Clinician)
        done = rollout(treatment, actor, PATIENTS)
        assert bool(done.decisions.log_behavior[done.decisions.mask].isfinite().all())
        assert bool(done.returns.isfinite().all())


def test_its_reward_and_its_hidden_columns_are_known(name):
    known, treatment = source(name), true_treatment(name)
    assert known.reward in REWARDS
    width = treatment.admit(torch.zeros(1, treatment.admit_noise_dim)).memory.shape[1]
    assert all(0 <= column < width for column in member(known.memory).values())
    assert known.model and all(rule.label and rule.text.endswith(".") for rule in known.rules)


def test_a_run_has_the_reward_of_its_patients_or_the_one_it_asks_for():
    demo = load_config("demo")
    spec = true_treatment("sepsis").spec
    assert reward_name(demo) == "survival"
    assert reward_of(demo, spec, 72.0).meaning.percent
    worth = reward_of(load_config("demo", ["reward.alive=2"]), spec, 72.0).meaning
    assert (worth.percent, worth.value_name, worth.bounds) == (False, "value", (0.0, 2.0))
    with pytest.raises(ConfigError, match="survival"):
        reward_name(load_config("demo", ["reward.kind=surviving"]))


def test_no_treatment_in_words():
    def spec(*labels):
        return Spec((), tuple(Drug("drug", "mg", 1.0, label=label) for label in labels))

    assert nothing(spec("Propofol")) == "No propofol."
    assert nothing(spec("Basal insulin", "Bolus insulin")) == "Neither basal insulin nor bolus insulin."
    assert nothing(spec("HIV drug")) == "No HIV drug."
