"""Truncation outside support and members by stay or step, each against what it wraps."""

import pytest
import torch
from posology.envs import treatment
from posology.envs.by_member import by_member
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.halted import halted
from posology.envs.pessimistic import pessimistic
from posology.patient_models.usual_disagreement import usual_disagreement
from posology.trajectories.noise import seeds
from posology.trajectories.rollout import rollout
from posology.trajectories.ward import open_ward


def test_a_decision_beyond_the_limit_ends_the_stay_at_its_worst(toy):
    core = DoseTreatment(toy, horizon=4)
    state, action, noise = open_ward(core, seeds(0, 25)).state, torch.arange(25), torch.zeros(25, 5)
    hours = core.interval(state, action)
    plain = core.step(state, action, hours, noise)
    unsure = toy.disagreement(state, plain.dose, hours)
    limit = float(unsure.median())
    step = halted(core, limit, worst=-2.0).step(state, action, hours, noise)
    beyond = unsure > limit
    assert 0 < beyond.sum() < 25
    assert torch.equal(step.terminated, plain.terminated | beyond) and not (step.truncated & beyond).any()
    assert (step.reward[beyond] == -2.0).all() and torch.equal(step.reward[~beyond], plain.reward[~beyond])
    assert torch.equal(step.state.vitals, plain.state.vitals)


def test_a_policy_is_worth_less_where_stays_are_halted(toy, uniform):
    core = DoseTreatment(toy, horizon=6)
    unsure = toy.disagreement(open_ward(core, seeds(0, 25)).state, core.rule.decode(None, torch.arange(25)), None)
    whole = rollout(core, uniform, 200, seed=2)
    cut = rollout(halted(core, float(unsure.median())), uniform, 200, seed=2)
    assert (cut.returns <= whole.returns).all() and cut.returns.sum() < whole.returns.sum()
    assert (cut.decisions.mask.sum(1) <= whole.decisions.mask.sum(1)).all()


def test_nothing_is_halted_under_an_endless_limit(toy, uniform):
    core = DoseTreatment(toy, horizon=4)
    assert torch.equal(rollout(halted(core, 1e9), uniform, 50).returns, rollout(core, uniform, 50).returns)


def test_what_is_usual_is_spared_and_only_the_rest_costs(toy):
    core = DoseTreatment(toy, horizon=4)
    state, action, noise = open_ward(core, seeds(0, 25)).state, torch.arange(25), torch.zeros(25, 5)
    hours = core.interval(state, action)
    plain = core.step(state, action, hours, noise)
    unsure = toy.disagreement(state, plain.dose, hours)
    usual = float(unsure.median())
    cost = plain.reward - pessimistic(core, 2.0, spared=usual).step(state, action, hours, noise).reward
    assert torch.allclose(cost, 2 * (unsure - usual).clamp_min(0), atol=1e-6)
    assert (cost[unsure <= usual] == 0).all() and (cost[unsure > usual] > 0).all()
    with pytest.raises(ValueError, match="spared disagreement of at least 0"):
        pessimistic(core, 1.0, spared=-0.1)


def test_usual_is_what_a_share_of_logged_decisions_stays_under(lstm, uniform):
    core = DoseTreatment(lstm, horizon=5)
    stays = rollout(core, uniform, 30, seed=4).trajectories
    states, found = lstm.resume(stays), []
    for number in range(30):
        for t in range(int(stays.length[number])):
            row = states.rows(torch.tensor([number * (stays.mask.shape[1] + 1) + t]))
            found.append(float(lstm.disagreement(row, stays.dose[number, t][None], stays.hours[number, t][None])))
    for share in (0.0, 0.9, 1.0):
        expected = float(torch.tensor(found, dtype=torch.float64).quantile(share))
        assert usual_disagreement(lstm, stays, share) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="at least one logged decision"):
        usual_disagreement(lstm, stays.replace(mask=torch.zeros_like(stays.mask)), 0.5)


@pytest.mark.parametrize(("limit", "worst", "said"), [(-1.0, 0.0, "at least 0"), (1.0, float("nan"), "finite")])
def test_halting_refuses_what_means_nothing(toy, limit, worst, said):
    with pytest.raises(ValueError, match=said):
        halted(DoseTreatment(toy), limit, worst=worst)
    with pytest.raises(TypeError, match="learned patient, got Sepsis"):
        halted(treatment("posology/Sepsis-v0"), 1.0)


def _members(env, decisions):
    """Which member (B,) each of 64 rows follows after each decision."""
    state, found = env.admit(torch.zeros(64, env.admit_noise_dim)), []
    generator = torch.Generator().manual_seed(1)
    action = torch.zeros(64, dtype=torch.int64)
    for _ in range(decisions):
        noise = torch.randn(64, env.noise_dim, generator=generator)
        state = env.step(state, action, env.interval(state, action), noise).state
        found.append(state.memory[:, 0])
    return torch.stack(found)


def test_a_row_follows_a_member_for_its_stay_or_a_fresh_one_each_step(lstm):
    core = DoseTreatment(lstm, horizon=9)
    stay, step, one = (_members(by_member(core, following), 6) for following in ("stay", "step", 1))
    assert (stay == stay[0]).all() and set(stay[0].tolist()) == {0.0, 1.0}
    assert (step != step[0]).any(0).float().mean() > 0.9, "a fair coin shows one side six times in one row of 32"
    assert (one == 1).all()
    assert torch.equal(stay, _members(core, 6)), "for the stay is what the patient itself does"


def test_what_a_row_follows_is_all_that_changes(lstm):
    state = lstm.admit(None, torch.zeros(3, lstm.admit_noise_dim))
    followed = lstm.follow(state, torch.tensor([0, 1, -1]))
    assert followed.memory[:, 0].tolist() == [0, 1, -1]
    assert torch.equal(followed.memory[:, 1:], state.memory[:, 1:])
    for name in ("vitals", "age", "hours", "outcome"):
        assert getattr(followed, name) is getattr(state, name)


@pytest.mark.parametrize("following", [2, -1, "episode"])
def test_a_member_must_exist(lstm, following):
    with pytest.raises(ValueError, match="number below 2"):
        by_member(DoseTreatment(lstm), following)


def test_following_needs_an_ensemble(toy):
    with pytest.raises(TypeError, match="needs an ensemble, got ToyPatient"):
        by_member(DoseTreatment(toy), "step")


def test_the_learned_environment_takes_them_by_name(lstm):
    state = lstm.admit(None, torch.zeros(25, lstm.admit_noise_dim))
    noise = torch.zeros(25, lstm.noise_dim)
    core = treatment("posology/Learned-v0", model=lstm, following=1, penalty=0.5, limit=0.0, worst=-1.0)
    action = torch.arange(25)
    step = core.step(state, action, core.interval(state, action), noise)
    assert (step.state.memory[:, 0] == 1).all() and step.terminated.all() and (step.reward == -1).all()
