"""Dead ends: exact on a patient with one trap, learned from records of it, and executed by the shield."""

import pytest
import torch
from posology.agents.baselines import random_policy
from posology.agents.dead_ends import DeadEndConfig, death_risk, fit_dead_ends
from posology.agents.offline import Schedule
from posology.agents.records import LoggedData
from posology.agents.save import load_policy, save_policy
from posology.contracts import DIED, Drug, Feature, Spec
from posology.envs import decisions
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.score_limits import dead_end
from posology.envs.shield import shield
from posology.patient_models.tabular import Tabular
from posology.patient_models.tabular_values import Worth, action_value_table, optimal, state_values
from posology.trajectories.checkpoint import Checkpoint
from posology.trajectories.rollout import rollout

START, TRAP, WELL, OUT, DEAD = range(5)
TRAPPED = (0.8, 0.1, 0.5)  # probability of the trap after the first three actions; the fourth ends the stay
RISK = [trap * 0.9 + (1 - trap) * 0.05 for trap in TRAPPED] + [0.3]  # of death after each action, under the best care
USUAL = [trap * 0.9 + (1 - trap) * 0.20 for trap in TRAPPED] + [0.3]  # ... and where doses go on at random
SPEC = Spec(
    (Feature("x", "", -9.0, 9.0, (-1.0, 1.0)),),
    (Drug("a", "level", 1.0, (0.0, 1.0), (0.5,)), Drug("b", "level", 1.0, (0.0, 1.0), (0.5,))),
)


def trapped() -> Tabular:
    """From the start one may get well or into a trap, where death comes whatever is done; the well can be harmed."""
    moves = torch.zeros(3, 4, 5, dtype=torch.float64)
    for action, trap in enumerate(TRAPPED):
        moves[START, action, [TRAP, WELL]] = torch.tensor([trap, 1 - trap], dtype=torch.float64)
    moves[START, 3, [DEAD, OUT]] = torch.tensor([0.3, 0.7], dtype=torch.float64)
    moves[TRAP, :, [DEAD, OUT]] = torch.tensor([0.9, 0.1], dtype=torch.float64)
    moves[WELL, :3, [DEAD, OUT]] = torch.tensor([0.05, 0.95], dtype=torch.float64)
    moves[WELL, 3, [DEAD, OUT]] = torch.tensor([0.65, 0.35], dtype=torch.float64)
    start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    return Tabular(SPEC, moves, start, torch.ones(3, 4, dtype=torch.bool), torch.tensor([[0.0], [-1.0], [1.0]]))


@pytest.fixture(scope="module")
def learned():
    """The treatment, its records under random doses, and the critic learned from them."""
    core = DoseTreatment(trapped(), horizon=5)
    done = rollout(core, random_policy(4), 3000, seed=0)
    logged, died = decisions(core, done.trajectories), done.trajectories.outcome == DIED
    data, ends = LoggedData(logged.rows(slice(2400)), logged.rows(slice(2400, 3000))), (died[:2400], died[2400:])
    config = DeadEndConfig(4, hidden=(32,), learning_rate=3e-3, sweeps=2, schedule=Schedule(8, 40, 512, 2))
    return core, data, ends, fit_dead_ends(data, ends, random_policy(4), config, seed=0)


def test_the_definition_by_dynamic_programming() -> None:
    patient, worth = trapped(), Worth(discharged=0.0, died=-1.0)
    values = state_values(patient, optimal(patient, worth)[1], worth)
    exact = action_value_table(patient, values, worth)
    assert exact[START].tolist() == pytest.approx([-risk for risk in RISK])
    assert values.tolist() == pytest.approx([-RISK[1], -0.9, -0.05])


def states(core):
    admitted = core.admit(torch.zeros(3, core.admit_noise_dim))
    later = torch.tensor([0.0, 4.0, 4.0])
    return admitted.replace(vitals=trapped().values, hours=later)


def test_the_critic_learns_it_from_records_and_masks_the_same_actions(learned, tmp_path) -> None:
    core, _, _, critic = learned
    found = death_risk(critic)(core.observe(states(core)))
    torch.testing.assert_close(found[START], torch.tensor(RISK), atol=0.07, rtol=0)
    assert found[TRAP].min() > 0.75 and found[WELL, :3].max() < 0.2 and found[WELL, 3] > 0.35
    table = dead_end(core, death_risk(critic)).table(states(core))
    assert table[START].tolist() == [False, True, False, False]
    assert int(table[TRAP].sum()) == 1, "in a dead end the least deadly action remains"
    assert table[WELL].tolist() == [True, True, True, False]
    save_policy(critic, tmp_path / "critic")
    assert torch.equal(death_risk(load_policy(tmp_path / "critic"))(core.observe(states(core))), found)


def test_no_sweep_is_what_becomes_of_patients_in_clinicians_hands(learned) -> None:
    """Without looking ahead it is the risk as clinicians go on: never below that of the best care."""
    core, data, ends, critic = learned
    config = DeadEndConfig(4, hidden=(32,), learning_rate=3e-3, sweeps=0, schedule=Schedule(8, 40, 512, 2))
    first = fit_dead_ends(data, ends, random_policy(4), config, seed=0)
    obs = core.observe(states(core))[:1]
    found = death_risk(first)(obs)[0]
    torch.testing.assert_close(found, torch.tensor(USUAL), atol=0.06, rtol=0)
    assert found[1] > death_risk(critic)(obs)[0, 1] + 0.05


def test_a_killed_fit_goes_on_to_the_very_numbers(learned, tmp_path) -> None:
    core, data, ends, _ = learned
    config = DeadEndConfig(4, hidden=(8,), sweeps=1, schedule=Schedule(3, 5, 64))

    class Killed(BaseException):
        pass

    def kill(done: float, message: str) -> None:
        if done > 0.7:
            raise Killed

    straight = fit_dead_ends(data, ends, random_policy(4), config, seed=1)
    checkpoint = Checkpoint.within(tmp_path, every=0.0)
    with pytest.raises(Killed):
        fit_dead_ends(data, ends, random_policy(4), config, seed=1, progress=kill, checkpoint=checkpoint)
    resumed = fit_dead_ends(data, ends, random_policy(4), config, seed=1, checkpoint=checkpoint)
    assert all(torch.equal(value, resumed.weights()[name]) for name, value in straight.weights().items())


def test_the_shield_keeps_patients_out_of_the_dead_end(learned) -> None:
    core, _, _, critic = learned
    guarded = shield(core, (dead_end(core, death_risk(critic)),), states=100)
    deaths = [1 - float(rollout(env, random_policy(4), 4000, seed=9).returns.mean()) for env in (core, guarded)]
    assert deaths[0] == pytest.approx(sum(USUAL) / 4, abs=0.025)
    assert deaths[1] == pytest.approx(RISK[1], abs=0.02)


def test_misuse_is_refused(learned) -> None:
    _, data, (train, tuning), _ = learned
    config, clinician = DeadEndConfig(4), random_policy(4)
    with pytest.raises(ValueError, match="some training stays to end in death and some not, got 0"):
        fit_dead_ends(data, (torch.zeros_like(train), tuning), clinician, config)
    with pytest.raises(ValueError, match=r"died: expected \(2400,\).*got \(10,\)"):
        fit_dead_ends(data, (train[:10], tuning), clinician, config)
    with pytest.raises(ValueError, match="True or False.*int64"):
        fit_dead_ends(data, (train.long(), tuning), clinician, config)
    open_ended = LoggedData(data.train.replace(terminated=torch.zeros_like(train)), data.tuning)
    with pytest.raises(ValueError, match="a stay that goes on"):
        fit_dead_ends(open_ended, (train, tuning), clinician, config)
