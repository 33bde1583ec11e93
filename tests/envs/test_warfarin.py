"""Warfarin as an environment: reward by straight lines, hard limits, relative changes, visits in the action."""

import numpy as np
import pytest
import torch
from posology.envs import decisions, reward, treatment
from posology.envs.relative_doses import RelativeDoses
from posology.envs.warfarin_limits import warfarin_limits
from posology.patient_models import model
from posology.patient_models.warfarin_clinician import WarfarinClinician
from posology.patient_models.warfarin_rules import FixedDose
from posology.patient_models.warfarin_spec import DAY, LEVELS, SPEC, warfarin_spec
from posology.trajectories.noise import seeds
from posology.trajectories.rollout import rollout
from posology.trajectories.ward import open_ward


def start(core, rows=6):
    return open_ward(core, seeds(0, rows)).state


def with_inr(state, inr):
    return state.replace(vitals=torch.cat([torch.as_tensor(inr)[:, None], state.vitals[:, 1:]], 1))


def test_reward_is_the_time_that_a_straight_line_spends_in_range():
    state = start(treatment("posology/Warfarin-v0"))
    first, last = torch.tensor([1.0, 2.5, 4.0, 2.0, 2.4, 1.2]), torch.tensor([2.5, 2.5, 1.0, 3.0, 5.0, 1.9])
    hours = torch.full((6,), 7 * DAY)
    rule = reward("inr_in_range", SPEC, 90 * DAY, event=-1.0)
    before, after = with_inr(state, first), with_inr(state, last)
    earned = rule(before, state.last_dose, hours, after, torch.zeros(6, dtype=torch.bool))
    fine = np.linspace(first.numpy(), last.numpy(), 100_001)
    assert earned.tolist() == pytest.approx(((fine >= 2) & (fine <= 3)).mean(0) * 7 / 90, abs=1e-5)
    ended = after.replace(outcome=torch.tensor([1, 2, 0, 0, 0, 0]))
    assert rule(before, state.last_dose, hours, ended, state.outcome > 0)[:2].tolist() == [-1, -1]
    over = before.replace(outcome=torch.tensor([1, 2, 0, 0, 0, 0]))
    assert rule(over, state.last_dose, hours, ended, state.outcome > 0)[:2].tolist() == [0, 0]
    assert rule.meaning.bounds == (-1.0, 1.0) and not rule.meaning.percent


def test_distance_is_least_at_the_target():
    state = start(treatment("posology/Warfarin-v0"))
    rule = reward("inr_distance", SPEC, 90 * DAY)
    after, hours = with_inr(state, torch.tensor([1.0, 2.0, 2.5, 3.0, 4.0, 6.0])), torch.full((6,), 90 * DAY)
    earned = rule(state, state.last_dose, hours, after, state.outcome > 0)
    assert earned.tolist() == pytest.approx([-2.25, -0.25, 0, -0.25, -2.25, -12.25])


def test_a_value_is_a_share_of_the_whole_horizon():
    core = treatment("posology/Warfarin-v0", event=0.0)
    done = rollout(core, WarfarinClinician(), 400)
    assert core.horizon_hours == 90 * DAY and (done.returns >= 0).all() and (done.returns <= 1).all()
    assert 0.3 < done.returns.mean() < 0.7
    logged = decisions(core, done.trajectories)
    assert torch.allclose(logged.reward, done.decisions.reward, atol=1e-6)


def test_limits_permit_project_and_cost():
    core = treatment("posology/Warfarin-v0")
    most, change, held, _ = warfarin_limits(SPEC, 72.0)
    state = with_inr(start(core), torch.tensor([2.5, 2.5, 2.5, 6.0, 6.0, 2.5]))
    state = state.replace(last_dose=torch.tensor([[4.0], [4.0], [4.0], [4.0], [4.0], [0.0]]))
    dose = torch.tensor([[5.0], [6.0], [0.0], [4.0], [0.0], [16.0]])
    hours = torch.full((6,), 72.0)
    assert change.permits(state, dose, hours).tolist() == [True, False, True, True, True, True]
    assert change.project(state, dose, hours)[:, 0].tolist() == pytest.approx([5, 5, 0, 4, 0, 16])
    assert change.cost(state, dose, hours, state).tolist() == pytest.approx([0, 0.25, 0, 0, 0, 0])
    assert held.permits(state, dose, hours).tolist() == [True, True, True, False, True, True]
    assert held.cost(state, dose, hours, state).tolist() == [0, 0, 0, 4, 0, 0]
    assert held.project(state, dose, hours)[3].item() == 0
    assert most.cost(state, dose, hours, state)[5] == 1


def test_sensitive_genotypes_start_low():
    core = treatment("posology/Warfarin-v0", enforce=True)
    state = start(core, 6)
    genotype = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 2], [3, 1], [5, 0]])
    state = state.replace(context=torch.cat([state.context[:, :6], genotype.float()], 1))
    limit, dose, hours = warfarin_limits(SPEC, 72.0)[3], torch.full((6, 1), 5.0), torch.full((6,), 72.0)
    assert limit.permits(state, dose, hours).tolist() == [True, True, False, False, True, False]
    assert limit.cost(state, dose, hours, state).tolist() == [0, 0, 2, 2, 0, 2]
    assert limit.project(state, dose, hours)[:, 0].tolist() == [5, 5, 3, 3, 5, 3]
    assert core.allowed(state).sum(1).tolist() == [17, 17, 8, 8, 17, 8]
    assert limit.permits(state.replace(hours=hours), dose, hours).all()
    assert len(warfarin_limits(warfarin_spec(genotype=False), 72.0)) == 3


def test_from_every_level_the_next_ones_are_within_the_limit():
    """Else a dose could never be raised step by step."""
    core = treatment("posology/Warfarin-v0", enforce=True)
    state = with_inr(start(core, len(LEVELS)), torch.full((len(LEVELS),), 2.5))
    state = state.replace(last_dose=torch.tensor(LEVELS)[:, None], hours=torch.full((len(LEVELS),), 240.0))
    allowed = core.allowed(state)
    assert allowed[:, 0].all() and allowed[0].all()
    for level in range(1, len(LEVELS)):
        assert allowed[level, max(level - 1, 0) : level + 2].all(), LEVELS[level]
    high = core.allowed(with_inr(state, torch.full((len(LEVELS),), 5.5)))
    assert torch.equal(high[0], torch.arange(len(LEVELS)) == 0)


def test_enforced_limits_are_never_broken_even_by_continuous_doses():
    class Wild:
        noise_dim = 1

        def act(self, obs, allowed, noise):
            return noise.clamp(-1, 1)

        def log_prob(self, obs, allowed, action):
            return torch.zeros(len(obs))

    core = treatment("posology/Warfarin-v0", enforce=True, action="continuous")
    done = rollout(core, Wild(), 50)
    assert done.costs.abs().max() < 1e-5 and done.trajectories.dose.max() > 1


def test_relative_doses_change_the_last_one():
    core = treatment("posology/Warfarin-v0", action="relative")
    state = start(core, 8)
    assert core.actions == 8
    action = torch.arange(8)
    assert core.decode(state, action)[:, 0].tolist() == pytest.approx([0, 3.75, 4.25, 4.5, 5, 5.5, 5.75, 6.25])
    later = state.replace(
        last_dose=torch.full((8, 1), 2.0), total_dose=torch.full((8, 1), 300.0), hours=torch.full((8,), 100.0)
    )
    assert core.decode(later, action)[:, 0].tolist() == pytest.approx([0, 1.5, 1.7, 1.8, 2, 2.2, 2.3, 2.5])
    paused = later.replace(last_dose=torch.zeros(8, 1))
    assert core.decode(paused, action)[4].item() == pytest.approx(3.0)
    assert torch.equal(core.encode(later, core.decode(later, action)), action)
    assert core.decode(later.replace(last_dose=torch.full((8, 1), 14.0)), action)[7].item() == 15
    with pytest.raises(ValueError, match="rising"):
        RelativeDoses(SPEC, (5.0,), (0.0, 0.1))
    with pytest.raises(ValueError, match="positive dose"):
        RelativeDoses(warfarin_spec(review=True), (5.0,))


def test_visits_can_be_part_of_the_action():
    core = treatment("posology/Warfarin-v0", choose_visits=True)
    assert core.actions == 17 * 5 and [d.name for d in core.spec.drugs] == ["warfarin", "review"]
    state = start(core, 5)
    action = 10 * 5 + torch.arange(5)  # 5 mg, and every choice of a visit
    assert (core.interval(state, action) / DAY).tolist() == [3, 3, 7, 14, 28]
    done = rollout(core, WarfarinClinician(), 100)
    plain = rollout(treatment("posology/Warfarin-v0"), WarfarinClinician(), 100)
    assert torch.equal(done.trajectories.hours, plain.trajectories.hours)
    assert torch.equal(done.trajectories.dose[:, :, :1], plain.trajectories.dose)
    with pytest.raises(ValueError, match="relative"):
        treatment("posology/Warfarin-v0", choose_visits=True, action="relative")


def test_learned_patients_are_seen_by_the_same_rule():
    stays = rollout(treatment("posology/Warfarin-v0"), WarfarinClinician(), 200).trajectories
    core = treatment(
        "posology/Learned-v0",
        model=model("linear")(stays),
        horizon=30,
        interval_hours=72.0,
        visits="anticoagulation_clinic",
        reward="inr_in_range",
    )
    assert [c.name for c in core.constraints] == [c.name for c in warfarin_limits(SPEC, 72.0)]

    class Five:
        noise_dim = 0

        def act(self, obs, allowed, noise):
            return torch.full((len(obs),), 10)

        def log_prob(self, obs, allowed, action):
            return torch.zeros(len(obs))

    done = rollout(core, Five(), 30)
    days = (done.trajectories.hours / DAY)[:, :3]
    assert (days == 3).all(0).tolist() == [True, True, False] and len(days[:, 2].unique()) == 2
    assert done.trajectories.length.max() < 30 and (done.returns > 0).any()
    with pytest.raises(KeyError, match="anticoagulation_clinic"):
        treatment("posology/Learned-v0", model=core.patient, visits="clinic")


def test_options_choose_the_patients():
    han = treatment("posology/Warfarin-v0", population="han", genotype=False)
    state = start(han, 200)
    assert (state.context[:, 3] == 1).all() and state.context.shape[1] == 6
    with pytest.raises(KeyError, match="hamberg"):
        treatment("posology/Warfarin-v0", population="martian")


def test_the_best_fixed_dose_is_neither_none_nor_the_highest():
    values = {d: rollout(treatment("posology/Warfarin-v0"), FixedDose(d), 400).returns.mean() for d in (0, 2, 4, 7, 15)}
    assert max(values, key=values.__getitem__) == 4 and values[0] < 0.02 and values[15] < 0.2
