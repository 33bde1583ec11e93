"""The rewards and limits of anaesthesia, diabetes and HIV: what they pay, and that records are judged by the same."""

import pytest
import torch
from posology.envs import REWARDS, decisions, reward, treatment
from posology.envs.limits import known_limits
from posology.envs.logged import logged_costs
from posology.patient_models.glucose_clinician import BasalBolus
from posology.trajectories.noise import ADMISSION, normals, seeds
from posology.trajectories.rollout import rollout

NAMES = ("posology/Propofol-v0", "posology/Glucose-v0", "posology/HIV-v0")


class Uniform:
    """Any action."""

    noise_dim = 1

    def __init__(self, actions):
        self.actions = actions

    def act(self, obs, allowed, noise):
        return (torch.special.ndtr(noise[:, 0]) * self.actions).long().clamp(max=self.actions - 1)

    def log_prob(self, obs, allowed, action):
        return torch.full((len(action),), 0.0)


def state_of(name, **values):
    """A patient of that environment who shows these values."""
    core = treatment(name)
    rows = seeds(0, 1)
    zero = torch.zeros_like(rows)
    state = core.admit(normals(rows, zero, zero, core.admit_noise_dim, stream=ADMISSION))
    vitals = state.vitals.clone()
    for feature, value in values.items():
        vitals[:, core.spec.feature(feature)] = value
    return core, state.replace(vitals=vitals)


def paid(name, kind, hours, span, before_outcome=0, outcome=0, **values):
    core, after = state_of(name, **values)
    before = after.replace(outcome=torch.full((1,), before_outcome))
    after = after.replace(outcome=torch.full((1,), outcome), hours=torch.full((1,), hours))
    rule = reward(kind, core.spec, span)
    over = torch.tensor([outcome != 0 and before_outcome == 0])
    dose = torch.tensor([[drug.levels[-1] for drug in core.spec.drugs]])
    return rule(before, dose, torch.full((1,), hours), after, over).item()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [k for k in REWARDS if k != "survival"])
def test_records_earn_and_cost_what_the_simulation_did(name, kind):
    part = {"Propofol": "hypnosis", "Glucose": "glucose", "HIV": "hiv"}[name.split("/")[1].split("-")[0]]
    if not kind.startswith(part):
        with pytest.raises(KeyError, match="known"):
            reward(kind, treatment(name).spec, 24.0)
        return
    hours = {"hypnosis": 1 / 60, "glucose": 1.0, "hiv": 120.0}[part]
    core = treatment(name, reward=kind, horizon=7, interval_hours=hours)
    done = rollout(core, Uniform(core.actions), 50, seed=5)
    logged = decisions(core, done.trajectories)
    assert torch.allclose(logged.reward, done.decisions.reward, rtol=1e-5, atol=1e-7)
    assert torch.allclose(logged_costs(core, done.trajectories), done.costs, rtol=1e-5, atol=1e-5)
    assert len({round(x, 6) for x in done.returns.tolist()}) > 2
    bounds = core.reward_rule.meaning.bounds
    if bounds is not None:
        assert bool(((done.returns >= bounds[0] - 1e-6) & (done.returns <= bounds[1] + 1e-6)).all())


def test_time_in_range_counts_the_time_and_its_edges():
    bis = ("posology/Propofol-v0", "hypnosis_in_range", 0.5, 2.0)
    assert [paid(*bis, bis=b) for b in (39.9, 40.0, 60.0, 60.1)] == [0.0, 0.25, 0.25, 0.0]
    assert paid(*bis, bis=50.0, before_outcome=1, outcome=1) == 0.0
    assert paid("posology/Glucose-v0", "glucose_in_range", 6.0, 24.0, cgm=180.0) == 0.25


def test_costs_are_the_published_risk_and_error():
    assert paid("posology/Propofol-v0", "hypnosis_error", 1.0, 2.0, bis=75.0) == pytest.approx(-0.25)
    risk = ("posology/Glucose-v0", "glucose_risk", 24.0, 24.0)
    assert paid(*risk, cgm=112.5) == pytest.approx(0.0, abs=1e-3)  # the scale is centred on 112.5 mg/dL
    assert paid(*risk, cgm=600.0) == pytest.approx(-100.0, rel=0.02)  # and ends at 100 for 600 mg/dL
    assert paid(*risk, cgm=50.0) < paid(*risk, cgm=70.0) < paid(*risk, cgm=100.0)


def test_death_is_never_cheaper_than_going_on():
    risk = ("posology/Glucose-v0", "glucose_risk", 6.0, 24.0)
    assert paid(*risk, cgm=100.0, outcome=2) == pytest.approx(-100.0)  # in the first interval
    assert paid(*risk, cgm=100.0, outcome=2, before_outcome=2) == 0.0


def test_hiv_rewards_are_the_published_weights():
    values = {"cytotoxic": 24.0, "viral_load": 64_000.0, "cd4": 100.0}
    expected = (1e3 * 24 - 0.1 * 64_000 - 2e4 * 0.7**2 - 2e3 * 0.3**2) / 1e6
    assert paid("posology/HIV-v0", "hiv_benefit", 120.0, 24_000.0, **values) == pytest.approx(expected, rel=1e-5)
    control = ("posology/HIV-v0", "hiv_control", 12_000.0, 24_000.0)
    assert paid(*control, cd4=100.0, viral_load=10_000.0) == pytest.approx((1.2 - 2.8) / 2)
    assert paid(*control, cd4=100.0, viral_load=20.0) == pytest.approx((1.2 + 5) / 2)


def test_limits_cost_what_lies_beyond_and_mask_what_is_forbidden():
    core, after = state_of("posology/Propofol-v0", bis=33.0, map=80.0)
    dose, hours = torch.tensor([[120.0]]), torch.tensor([1.0])
    cap, depth, pressure = core.constraints
    late = after.replace(hours=torch.tensor([1.0]))
    assert (depth.cost(after, dose, hours, after).item(), pressure.cost(after, dose, hours, after).item()) == (7.0, 0.0)
    assert cap.permits(after, dose, hours).item() and not cap.permits(late, dose, hours).item()
    assert depth.permits(late, dose, hours).item() and torch.equal(depth.project(late, dose, hours), dose)

    core, low = state_of("posology/Glucose-v0", cgm=60.0)
    _, fine = state_of("posology/Glucose-v0", cgm=71.0)
    withheld, hypoglycaemia, _ = known_limits(core.spec, 1 / 12)
    dose = torch.tensor([[1.0, 0.6]])
    assert withheld.project(low, dose, hours).tolist() == [[1.0, 0.0]] and torch.equal(
        withheld.project(fine, dose, hours), dose
    )
    assert (withheld.cost(low, dose, hours, low).item(), withheld.cost(fine, dose, hours, low).item()) == (
        pytest.approx(0.6),
        0.0,
    )
    assert hypoglycaemia.cost(low, dose, hours, low).item() == 0.0
    masked = treatment("posology/Glucose-v0", enforce=True)
    allowed = masked.allowed(low)[0].reshape(5, 5)
    assert allowed[:, 0].all() and not allowed[:, 1:].any() and masked.allowed(fine).all()


def test_propofol_options_are_checked():
    with pytest.raises(ValueError, match="schnider"):
        treatment("posology/Propofol-v0", population="marsh")
    with pytest.raises(ValueError, match="remifentanil"):
        treatment("posology/Propofol-v0", remifentanil=2.0)
    light, deep = (treatment("posology/Propofol-v0", population="schnider", remifentanil=r) for r in (0.0, 6.0))
    zero = torch.zeros(1, light.admit_noise_dim)
    assert deep.admit(zero).vitals[0, 0] < light.admit(zero).vitals[0, 0] - 5


def test_decisions_may_come_with_the_meals():
    core = treatment("posology/Glucose-v0", decisions="meals", interval_hours=0.25, horizon=96)
    acting = BasalBolus(interval_hours=0.25)
    done = rollout(core, acting, 40, seed=3)
    stays = done.trajectories
    hours, inside = stays.hours, stays.mask
    to_horizon = hours.cumsum(1) > 24 - 1e-3
    assert bool((hours[inside] <= 3 + 1e-4).all()) and bool((hours[inside & ~to_horizon] >= 0.25 - 1e-4).all())
    assert int(inside.sum(1).min()) >= 8 and int(inside.sum(1).max()) < 30
    alive = stays.outcome == 0
    assert torch.allclose(hours.sum(1)[alive], torch.tensor(24.0), atol=1e-3)
    meal, bolus = stays.vitals[:, :-1, 2] > 20, stays.dose[:, :, 1] > 0
    assert bool(bolus[meal & inside].float().mean() > 0.9)
    assert not bool(bolus[(stays.vitals[:, :-1, 2] == 0) & inside].any())
    regular = treatment("posology/Glucose-v0", interval_hours=2.0, horizon=12)
    late = rollout(regular, BasalBolus(interval_hours=2.0), 40, seed=3)
    assert done.returns.mean() > late.returns.mean()  # a bolus in time beats one up to two hours late
    with pytest.raises(ValueError, match="meals"):
        treatment("posology/Glucose-v0", decisions="often")
