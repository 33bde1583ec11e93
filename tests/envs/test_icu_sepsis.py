"""ICU-Sepsis as an environment: what a policy sees, and one meaning of admissible actions wherever it matters."""

import pytest
import torch
from posology.envs import decisions, treatment
from posology.envs.available import only_available
from posology.envs.icu_sepsis import observe_values
from posology.patient_models import icu_sepsis as module
from posology.patient_models.icu_sepsis_clinician import ICUSepsisClinician
from posology.patient_models.tabular_values import Worth, optimal, policy_value
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout

NAME = "posology/ICUSepsis-v0"


def admitted(core, rows=64):
    row = seeds(0, rows)
    return core.admit(normals(row, row * 0, row * 0, core.admit_noise_dim, stream=ADMISSION))


class Best:
    """The optimal policy, on one-hot states."""

    noise_dim = 1

    def __init__(self, table):
        self.table = table

    def act(self, obs, allowed, noise):
        return self.table[obs.argmax(1)].argmax(1)

    def log_prob(self, obs, allowed, action):
        return self.table[obs.argmax(1)].gather(1, action[:, None])[:, 0].log().float()


@pytest.mark.parametrize(("view", "size"), [("record", 147), ("features", 47), ("state", 713)])
def test_what_a_policy_sees(view, size):
    core = treatment(NAME, observation=view)
    state = admitted(core)
    obs = core.observe(state)
    assert core.observation_dim == size and obs.shape == (64, size)
    number = state.memory[:, 0].long()
    if view == "state":
        assert torch.equal(obs.argmax(1), number) and torch.equal(obs.sum(1), torch.ones(64))
    else:
        shown = torch.nn.functional.pad(obs[:, :47], (0, 0))
        expected = module.icu_sepsis().values[number]
        half = torch.tensor([f.reference[1] for f in core.spec.features])
        assert torch.allclose(shown, (expected / (half if view == "record" else 1)).clamp(-8, 8))


def test_an_unknown_view_is_an_error():
    with pytest.raises(ValueError, match="expected 'record'"):
        treatment(NAME, observation="picture")
    with pytest.raises(ValueError, match="forbidden"):
        treatment(NAME, inadmissible="perhaps")


def test_admissible_means_the_same_to_data_model_policy_and_estimators():
    core, patient = treatment(NAME), module.icu_sepsis()
    done = rollout(core, ICUSepsisClinician(0.0), 400)
    logged = decisions(core, done.trajectories)
    steps = logged.mask
    number = done.trajectories.vitals[:, :-1][steps]
    assert torch.equal(logged.allowed[:, :-1][steps], patient.admissible[patient.state_of(number)])
    assert torch.equal(logged.allowed[:, :-1][steps], done.decisions.allowed[:, :-1][steps])
    assert bool(logged.allowed[:, :-1][steps].gather(1, logged.action[steps][:, None]).all())
    simulator = treatment("posology/Learned-v0", model=patient, horizon=50)
    assert torch.equal(decisions(simulator, done.trajectories).allowed[:, :-1][steps], logged.allowed[:, :-1][steps])


def test_an_inadmissible_action_is_carried_out_as_the_nearest_admissible_one():
    core, patient = treatment(NAME), module.icu_sepsis()
    state = admitted(core, 500)
    number = state.memory[:, 0].long()
    action = torch.randint(25, (500,), generator=torch.Generator().manual_seed(0))
    step = core.step(state, action, core.interval(state, action), torch.zeros(500, 1))
    executed = core.encode(state, step.dose)
    assert torch.equal(executed, patient.nearest[number, action])
    assert bool((executed != action).any()) and bool(patient.admissible[number, executed].all())
    free = treatment(NAME, inadmissible="mean")
    assert free.allowed(state) is None
    assert torch.equal(free.encode(state, free.step(state, action, step.hours, torch.zeros(500, 1)).dose), action)


def test_a_policy_on_the_state_has_its_exact_value():
    patient = module.icu_sepsis()
    _, table = optimal(patient)
    core = treatment(NAME, observation="state", horizon=12)
    returns = rollout(core, Best(table), 4000).returns
    exact = policy_value(patient, table, Worth(1, 0, 1), horizon=12)
    assert float(returns.mean()) == pytest.approx(exact, abs=4 * float(returns.std()) / 4000**0.5)


def test_only_levels_of_the_same_patients_can_be_restricted(toy):
    from posology.envs.dose_treatment import DoseTreatment

    with pytest.raises(ValueError, match="same spec"):
        only_available(DoseTreatment(toy), module.icu_sepsis())
    with pytest.raises(ValueError, match="continuous"):
        only_available(DoseTreatment(toy, action="continuous"), module.icu_sepsis())
    with pytest.raises(ValueError, match="picture"):
        observe_values(module.icu_sepsis(), module.icu_sepsis().values, "picture")
