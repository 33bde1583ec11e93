"""Moments of weights by particles against dynamic programming and enumeration, histories included."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from posology.contracts import Blend, Drug, Feature, PatientState, Spec
from posology.envs.available import only_available
from posology.envs.dose_treatment import DoseTreatment
from posology.evaluation.expected_weights import expected_weights
from posology.evaluation.page import page
from posology.evaluation.page_weights import many
from posology.evaluation.report import ExpectedReport
from posology.patient_models.tabular import Tabular
from posology.patient_models.tabular_weights import bounded, moments_by_decision, weight_moments
from posology.trajectories.levels import action_of_dose, dose_of_action

SPEC = Spec(
    (Feature("x", "", -9.0, 9.0, (-1.0, 1.0)),),
    (Drug("a", "level", 1.0, (0.0, 1.0), (0.5,)), Drug("b", "level", 1.0, (0.0, 1.0), (0.5,))),
)
S, A, T = 3, 4, 3


@pytest.fixture(scope="module")
def patient() -> Tabular:
    moves = torch.rand(S, A, S + 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 2
    admissible = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    start = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    return Tabular(SPEC, moves / moves.sum(2, keepdim=True), start, admissible, torch.tensor([[-1.0], [0.0], [1.0]]))


@pytest.fixture(scope="module")
def treatment(patient):
    return only_available(DoseTreatment(patient, horizon=T), patient)


def table(patient: Tabular, seed: int) -> torch.Tensor:
    random = torch.rand(S, A, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 2 + 0.05
    random = random * patient.admissible
    return random / random.sum(1, keepdim=True)


@dataclass(frozen=True)
class Follows:
    """A clinician that follows a table (S, A)."""

    probs: torch.Tensor
    noise_dim: int = 1

    def dose(self, state, noise):
        raise AssertionError("not asked")

    def log_prob(self, state, dose):
        return self.probs[state.memory[:, 0].long(), action_of_dose(SPEC, dose)].log()


@dataclass(frozen=True)
class Remembers:
    """A policy on observations that goes by the doses so far."""

    noise_dim: int = 1

    def probs(self, obs, allowed):
        last, total = obs[:, 3:5], obs[:, 5:7]  # see `Layout`
        logits = torch.stack([obs[:, 0], last[:, 0] * 2, -last[:, 1] - total[:, 0], total.sum(1)], 1)
        return torch.softmax(logits.masked_fill(~allowed, -torch.inf), 1)

    def log_prob(self, obs, allowed, action):
        return self.probs(obs, allowed).gather(1, action[:, None])[:, 0].log()

    def act(self, obs, allowed, noise):
        raise AssertionError("not asked")


def enumerated(patient, treatment, target, behavior) -> list[float]:
    """Mean square of the weights after each decision, over every course of states and doses."""
    second = [0.0] * T

    def at(number: int, hours: float, last: torch.Tensor, total: torch.Tensor) -> PatientState:
        one, none = torch.ones(1, 1), torch.zeros(1, 0)
        return PatientState(
            vitals=patient.values[number][None],
            seen=one.bool(),
            age=0 * one,
            memory=torch.tensor([[float(number)]]),
            belief=none,
            context=none,
            hours=torch.tensor([hours]),
            last_dose=last,
            total_dose=total,
            outcome=torch.zeros(1, dtype=torch.int64),
        )

    def follow(number: int, t: int, chance: float, weight: float, state: PatientState) -> None:
        ours = target.probs(treatment.observe(state), treatment.allowed(state))[0].double()
        for action in range(A):
            likely = float(behavior[number, action])
            if likely == 0:
                continue
            dose = dose_of_action(SPEC, torch.tensor([action]))
            now = weight * float(ours[action]) / likely
            moves = chance * likely * patient.transition[number, action]
            for later in range(t + 1, T):  # weights stay as they are after the end
                second[later] += float(moves[S:].sum()) * now**2
            second[t] += float(moves.sum()) * now**2
            for after in range(S if t + 1 < T else 0):
                onward = at(after, 4.0 * (t + 1), dose, state.total_dose + 4 * dose)
                follow(after, t + 1, float(moves[after]), now, onward)

    nothing = torch.zeros(1, 2)
    for number in range(S):
        follow(number, 0, float(patient.start[number]), 1.0, at(number, 0.0, nothing, nothing))
    return second


def test_dynamic_programming_forwards_is_that_backwards(patient):
    target, behavior = table(patient, 1), table(patient, 2)
    mean, second = moments_by_decision(patient, target, behavior, horizon=4)
    for t in range(4):
        moments = weight_moments(patient, target, behavior, horizon=t + 1)
        assert float(mean[t]) == pytest.approx(moments.mean, abs=1e-12)
        assert float(second[t]) == pytest.approx(moments.second, rel=1e-12)


def test_particles_agree_with_dynamic_programming(patient, treatment):
    target, behavior = table(patient, 1), table(patient, 2)
    found = expected_weights(treatment, Follows(target), Follows(behavior), particles=4096)
    _, second = moments_by_decision(patient, target, behavior, horizon=T)
    assert (found.mean == 1).all()
    assert found.second == pytest.approx(second.numpy(), rel=0.05)
    assert (np.abs(found.second - second.numpy()) < 5 * found.error * found.second + 1e-9).all()
    assert (found.error < 0.03).all() and found.effective_share == pytest.approx(1 / found.second)


def test_particles_agree_with_enumeration_for_a_policy_that_remembers(patient, treatment):
    behavior = table(patient, 3)
    exact = np.array(enumerated(patient, treatment, Remembers(), behavior))
    found = expected_weights(treatment, Remembers(), Follows(behavior), particles=8192)
    assert found.second == pytest.approx(exact, rel=0.03)
    again = expected_weights(treatment, Remembers(), Follows(behavior), particles=8192)
    assert (again.second == found.second).all()


def test_the_clinicians_weigh_one_and_blends_little(patient, treatment):
    behavior = Follows(table(patient, 2))
    own = expected_weights(treatment, behavior, behavior, particles=64)
    assert own.second == pytest.approx(np.ones(T), abs=1e-12) and (own.error < 1e-12).all()
    shares = [expected_weights(treatment, Blend(Remembers(), behavior, s), behavior).second[-1] for s in (0.1, 0.5, 1)]
    assert 1 < shares[0] < shares[1] < shares[2]


def test_what_the_clinicians_never_do_is_missing_from_the_mean(patient, treatment):
    only = torch.nn.functional.one_hot(torch.tensor([0, 0, 1]), A).double()
    target = table(patient, 1)
    found = expected_weights(treatment, Follows(target), Follows(only), particles=4096)
    mean, second = moments_by_decision(patient, target, only, horizon=T)
    assert found.mean == pytest.approx(mean.numpy(), abs=0.01)
    assert found.second == pytest.approx(second.numpy(), rel=0.1)
    apart = torch.nn.functional.one_hot(torch.tensor([1, 2, 2]), A).double()
    never = expected_weights(treatment, Follows(apart), Follows(only), particles=64)
    assert (never.mean == 0).all() and (never.second == 0).all() and (never.effective_share == 0).all()


def test_without_a_horizon_the_mean_square_may_have_no_bound(patient):
    behavior = table(patient, 2)
    assert bounded(patient, behavior, behavior)
    far = torch.nn.functional.one_hot(torch.tensor([3, 0, 3]), A).double()
    staying = patient.transition.clone()
    staying[:, :, S:] *= 0.05
    long = replace(patient, transition=staying / staying.sum(2, keepdim=True))
    assert bounded(long, behavior, behavior) and not bounded(long, far, behavior)
    seconds = [float(moments_by_decision(long, far, behavior, horizon=t)[1][-1]) for t in (50, 100, 200)]
    assert seconds[1] > 10 * seconds[0] and seconds[2] > 10 * seconds[1]
    once = [float(moments_by_decision(long, behavior, behavior, horizon=t)[1][-1]) for t in (50, 200)]
    assert once == pytest.approx([1, 1])


def test_only_dose_levels_and_policies_with_probabilities(patient, treatment):
    with pytest.raises(ValueError, match="at least 8 particles"):
        expected_weights(treatment, Remembers(), Follows(table(patient, 2)), particles=4)
    with pytest.raises(ValueError, match="action probabilities"):
        expected_weights(treatment, object(), Follows(table(patient, 2)))


def test_counts_of_stays_are_told_as_far_as_they_tell():
    assert [many(x) for x in (50, 51.2, 1712, 123_456)] == ["50", "52", "1\u202f800", "130\u202f000"]
    assert [many(x) for x in (4.5e8, 1e99, float("inf"))] == ["4 × 10⁸", "over 10¹⁵", "over 10¹⁵"]


def test_the_page_tells_how_many_stays_a_policy_would_take(examples):
    report = examples.known_truth()
    exact = ExpectedReport(shares=(1.0, 0.5, 0.1), exact=True, bounded=False)
    near = ExpectedReport(shares=(0.9, 0.3, 1e-5), error=0.2, mean=0.5)
    text = page(report.model_copy(update={"expected": {"random": exact, "ppo": near}}))
    assert "How many stays a policy would take" in text and "no bound" in text
    lost = report.model_copy(update={"expected": {"ppo": near.model_copy(update={"shares": (0.9, 1e-40)})}})
    assert "over 10¹⁵" in page(lost) and "about over" not in page(lost)
    assert ">500</td>" in text and "about 5 × 10⁶" in text and "50\u202f% of it ever done" in text
    assert "How many stays" not in page(report)
