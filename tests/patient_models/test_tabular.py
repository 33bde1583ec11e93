"""Tabular patients against enumeration, simulation and themselves."""

import itertools

import pytest
import torch
from posology.contracts import Drug, Feature, PatientState, Spec, Trajectories
from posology.envs.dose_treatment import DoseTreatment
from posology.patient_models import load_model
from posology.patient_models.tabular import Tabular
from posology.patient_models.tabular_files import load_tabular, save_tabular
from posology.patient_models.tabular_fit import count_transitions, fit_tabular
from posology.patient_models.tabular_values import (
    Worth,
    action_value_table,
    deterministic,
    mean_length,
    optimal,
    policy_value,
    random_probs,
    state_values,
    still_in_care,
)
from posology.patient_models.tabular_weights import weight_moments
from posology.trajectories.levels import dose_of_action
from posology.trajectories.noise import normals, seeds
from posology.trajectories.rollout import rollout

SPEC = Spec(
    (Feature("x", "", -9.0, 9.0, (-1.0, 1.0)), Feature("y", "", -9.0, 9.0, (-1.0, 1.0))),
    (Drug("a", "level", 1.0, (0.0, 1.0), (0.5,)), Drug("b", "level", 1.0, (0.0, 1.0), (0.5,))),
)
STATES, ACTIONS = 3, 4


def small(seed: int = 0) -> Tabular:
    generator = torch.Generator().manual_seed(seed)
    moves = torch.rand(STATES, ACTIONS, STATES + 2, generator=generator, dtype=torch.float64) ** 2
    admissible = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    values = torch.tensor([[-1.0, 0.5], [0.0, -1.0], [1.0, 0.5]])
    start = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    return Tabular(SPEC, moves / moves.sum(2, keepdim=True), start, admissible, values)


def random_table(seed: int, *shape: int) -> torch.Tensor:
    table = torch.rand(*shape, STATES, ACTIONS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    table = table * small().admissible
    return table / table.sum(-1, keepdim=True)


def enumerated(patient: Tabular, behavior: torch.Tensor, target: torch.Tensor, horizon: int, worth: Worth):
    """(probability under behaviour, weight, worth) of every stay of at most `horizon` decisions, by brute force."""
    stays = []

    def follow(state: int, t: int, chance: float, weight: float) -> None:
        if t == horizon:
            stays.append((chance, weight, worth.in_care))
            return
        for action, after in itertools.product(range(ACTIONS), range(STATES + 2)):
            likely = float(behavior[state, action])
            step = chance * likely * float(patient.transition[state, action, after])
            if step == 0:
                continue
            now = weight * float((target[t] if target.dim() == 3 else target)[state, action]) / likely
            if after < STATES:
                follow(after, t + 1, step, now)
            else:
                stays.append((step, now, worth.discharged if after == STATES else worth.died))

    for state in range(STATES):
        follow(state, 0, float(patient.start[state]), 1.0)
    return torch.tensor(stays, dtype=torch.float64).T


@pytest.fixture(scope="module")
def treatment() -> DoseTreatment:
    return DoseTreatment(small(), horizon=6)


class Table:
    """A clinician that follows a table (S, A)."""

    noise_dim = 1

    def __init__(self, probs: torch.Tensor) -> None:
        self.probs = probs

    def dose(self, state: PatientState, noise: torch.Tensor) -> torch.Tensor:
        rows = self.probs[state.memory[:, 0].long()]
        action = (rows.cumsum(1) < torch.special.ndtr(noise[:, :1])).sum(1).clamp_max(ACTIONS - 1)
        return dose_of_action(SPEC, action)

    def log_prob(self, state: PatientState, dose: torch.Tensor) -> torch.Tensor:
        action = (2 * dose[:, 0] + dose[:, 1]).long()
        return self.probs[state.memory[:, 0].long(), action].log().float()


@pytest.mark.parametrize("times", [(), (3,)])
def test_values_and_moments_of_weights_equal_enumeration(times):
    patient, behavior, target = small(), random_table(1), random_table(2, *times)
    worth = Worth(1.0, -0.5, 0.25)
    chance, weight, earned = enumerated(patient, behavior, target, 3, worth)
    assert float(chance.sum()) == pytest.approx(1, abs=1e-12)
    assert policy_value(patient, target, worth, horizon=3) == pytest.approx(float(chance @ (weight * earned)), abs=1e-9)
    moments = weight_moments(patient, target, behavior, horizon=3, worth=worth)
    assert moments.mean == pytest.approx(1, abs=1e-9)
    assert moments.second == pytest.approx(float(chance @ weight**2), rel=1e-9)
    mean = float(chance @ (weight * earned))
    assert moments.value == pytest.approx(mean, rel=1e-9)
    assert moments.variance == pytest.approx(float(chance @ (weight * earned) ** 2) - mean**2, rel=1e-9)
    assert moments.effective_sample_size(100) == pytest.approx(100 / float(chance @ weight**2), rel=1e-9)
    assert moments.standard_error(100) == pytest.approx((moments.variance / 100) ** 0.5)


def test_weights_that_the_behaviour_never_covers_are_missing_from_the_mean():
    patient, always = small(), deterministic(small(), torch.tensor([0, 0, 1]))
    moments = weight_moments(patient, random_table(2), always, horizon=3)
    assert moments.mean < 0.5


def test_a_long_horizon_is_no_horizon_and_lengths_add_up():
    patient, probs = small(), random_table(3)
    assert policy_value(patient, probs, horizon=300) == pytest.approx(policy_value(patient, probs), abs=1e-8)
    expected = sum(still_in_care(patient, probs, t) for t in range(1, 300)) + 1
    assert mean_length(patient, probs) == pytest.approx(expected, abs=1e-6)


def test_the_optimum_beats_every_deterministic_policy_and_is_one_of_them():
    patient = small()
    choices = [patient.admissible[s].nonzero()[:, 0].tolist() for s in range(STATES)]
    every = [policy_value(patient, deterministic(patient, torch.tensor(c))) for c in itertools.product(*choices)]
    value, table = optimal(patient)
    assert value == pytest.approx(max(every), abs=1e-9)
    assert policy_value(patient, table) == pytest.approx(value, abs=1e-9)
    assert not bool(((table > 0) & ~patient.admissible).any())
    found = action_value_table(patient, state_values(patient, table))
    assert float(found.masked_fill(~patient.admissible, -1).max(1).values @ patient.start) == pytest.approx(value)


def test_with_a_horizon_the_optimum_may_change_with_time_and_is_attained():
    patient, worth = small(), Worth(1.0, 0.0, 0.6)
    value, table = optimal(patient, worth, horizon=5)
    assert table.shape == (5, STATES, ACTIONS)
    assert policy_value(patient, table, worth) == pytest.approx(value, abs=1e-12)
    assert value > policy_value(patient, optimal(patient)[1], worth, horizon=5) - 1e-12
    with pytest.raises(ValueError, match="own horizon"):
        policy_value(patient, table, worth, horizon=4)


def test_simulated_stays_have_the_exact_value_and_frequencies(treatment):
    patient, probs = small(), random_table(4)
    done = rollout(treatment, Table(probs), 20_000)
    exact = policy_value(patient, probs, Worth(1, 0, 1), horizon=6)
    assert float(done.returns.mean()) == pytest.approx(exact, abs=4 * 0.5 / 20_000**0.5)
    counts, first = count_transitions(patient, done.trajectories)
    total = counts.sum(2, keepdim=True)
    error = 4.5 * (patient.transition * (1 - patient.transition) / total.clamp_min(1)).sqrt()
    assert bool((((counts / total.clamp_min(1) - patient.transition).abs() <= error) | (total == 0)).all())
    assert torch.allclose(first / first.sum(), patient.start, atol=0.015)


def test_the_same_luck_is_no_worse_where_the_dose_is_better():
    """A monotone coupling: whoever draws a high number does well under every dose."""
    patient, rows = small(), seeds(0, 2000)
    noise = normals(rows, rows * 0, rows * 0, 1)
    order = patient._worst_to_best()
    assert order[0] == STATES + 1 and order[-1] == STATES
    rank = order.argsort()
    state = patient.admit(None, torch.zeros(2000, 1))
    for action in range(ACTIONS):
        dose = dose_of_action(SPEC, torch.full((2000,), action))
        after = patient.step(state, dose, torch.full((2000,), 4.0), noise)
        got = torch.where(after.outcome == 0, after.memory[:, 0].long(), STATES + (after.outcome == 2).long())
        assert bool((rank[got][noise[:, 0].argsort()].diff() >= 0).all())


def test_counting_recovers_the_truth_and_says_what_it_does_not_know(treatment):
    patient = small()
    stays = rollout(treatment, Table(random_probs(patient)), 20_000).trajectories
    fitted = fit_tabular(patient, stays)
    assert torch.allclose(fitted.transition[patient.admissible], patient.transition[patient.admissible], atol=0.03)
    few = fit_tabular(patient, stays.rows(torch.arange(3)))
    counts, _ = count_transitions(patient, stays.rows(torch.arange(3)))
    unseen = (counts.sum(2) == 0) & patient.admissible
    assert bool(unseen.any())
    s, a = unseen.nonzero()[0].tolist()
    mean = counts[s].sum(0) / counts[s].sum() if bool(counts[s].any()) else counts.sum((0, 1)) / counts.sum()
    assert torch.allclose(few.transition[s, a], mean)
    smooth = fit_tabular(patient, stays.rows(torch.arange(50)), prior=1e9)
    assert torch.allclose(smooth.transition[0, 0], smooth.transition[0, 1], atol=1e-6)
    inadmissible = fitted.transition[1, 1]
    assert torch.allclose(inadmissible, fitted.transition[1, [0, 2]].mean(0))
    with pytest.raises(ValueError, match="prior"):
        fit_tabular(patient, stays, prior=-1)


def test_censored_stays_count_up_to_their_last_state(treatment):
    stays = rollout(DoseTreatment(small(), horizon=2), Table(random_probs(small())), 500).trajectories
    counts, _ = count_transitions(small(), stays)
    assert int(counts.sum()) == int(stays.mask.sum())
    assert int(counts[..., STATES].sum()) == int((stays.outcome == 1).sum())
    assert int(counts[..., STATES + 1].sum()) == int((stays.outcome == 2).sum())


def test_saved_and_loaded_it_is_the_same(tmp_path):
    patient = small()
    save_tabular(patient, tmp_path / "model")
    for again in (load_tabular(tmp_path / "model"), load_model(tmp_path / "model")):
        assert isinstance(again, Tabular) and again.spec == patient.spec
        for name in ("transition", "start", "admissible", "values"):
            assert torch.equal(getattr(again, name), getattr(patient, name))
    with pytest.raises(FileExistsError):
        save_tabular(patient, tmp_path / "model")


def test_the_nearest_admissible_action_is_admissible_close_and_low():
    patient = small()
    assert bool(patient.admissible.gather(1, patient.nearest).all())
    assert torch.equal(
        patient.nearest[patient.admissible], torch.arange(ACTIONS).expand(STATES, -1)[patient.admissible]
    )
    assert patient.nearest[1].tolist() == [0, 0, 2, 2]  # drug b is not given in state 1
    assert patient.nearest[2].tolist() == [1, 1, 2, 3]  # nothing at all is not: of the two closest, both cost one level


def test_states_are_told_from_what_is_measured(treatment):
    stays: Trajectories = rollout(treatment, Table(random_probs(small())), 50).trajectories
    near = stays.vitals[:, 0] + 0.1
    assert torch.equal(small().state_of(near), small().state_of(stays.vitals[:, 0]))
    assert small().state_of(torch.zeros(0, 2)).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transition": torch.zeros(3, 4, 5, dtype=torch.float64)}, "sum to one"),
        ({"transition": torch.zeros(3, 4, 4, dtype=torch.float64)}, "expected shape"),
        ({"admissible": torch.zeros(3, 4, dtype=torch.bool)}, "no admissible action"),
    ],
)
def test_what_is_no_patient_is_refused(change, message):
    patient = small()
    parts = {n: getattr(patient, n) for n in ("spec", "transition", "start", "admissible", "values")}
    with pytest.raises(ValueError, match=message):
        Tabular(**{**parts, **change})
