"""The fitted clinician: close to the truth, calibrated, never degenerate, and weights that average to one."""

import pytest
import torch
from posology.agents.baselines import most_frequent
from posology.agents.behavior import BehaviorConfig, BehaviorPolicy, fit_behavior
from posology.agents.records import flatten
from posology.contracts import Decisions

A, COLUMNS, T = 5, 6, 10


def clinician(obs: torch.Tensor) -> torch.Tensor:
    """Propensities (..., A) that bend with the observation, and are rarely below 1e-3."""
    bent = torch.stack([obs[..., 0], obs[..., 1], obs[..., 0] * obs[..., 1], obs[..., 2].tanh(), 0 * obs[..., 0]], -1)
    return torch.softmax(1.2 * bent, -1)


def cohort(stays: int, seed: int) -> tuple[Decisions, torch.Tensor]:
    """Stays of random length, and the log-propensity (N, T) of what was done."""
    g = torch.Generator().manual_seed(seed)
    obs = torch.randn(stays, T + 1, COLUMNS, generator=g) * torch.tensor([1.0, 1.0, 1.0, 5.0, 0.0, 1.0]) + 2.0
    obs = obs - 2.0 * (torch.arange(COLUMNS) < 3)
    probs = clinician(obs[:, :T])
    action = torch.multinomial(probs.reshape(-1, A), 1, generator=g).reshape(stays, T)
    mask = torch.arange(T) < torch.randint(1, T + 1, (stays, 1), generator=g)
    decisions = Decisions(
        obs=obs,
        action=torch.where(mask, action, 0),
        allowed=None,
        reward=torch.zeros(stays, T),
        hours=4.0 * mask,
        mask=mask,
        terminated=torch.ones(stays, dtype=torch.bool),
        log_behavior=None,
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
        context=torch.zeros(stays, 0),
    )
    return decisions, probs.gather(2, action[..., None])[..., 0].log()


@pytest.fixture(scope="module")
def fitted() -> BehaviorPolicy:
    return fit_behavior(cohort(1600, 0)[0], cohort(400, 1)[0], BehaviorConfig(actions=A), seed=0)


@pytest.fixture(scope="module")
def held_out() -> tuple[Decisions, torch.Tensor]:
    return cohort(4000, 2)


def log_likelihood(policy: BehaviorPolicy, decisions: Decisions) -> float:
    obs, action = flatten(decisions, A)
    return float(policy.log_prob(obs, None, action).mean())


def test_held_out_likelihood_is_close_to_the_truth(fitted, held_out):
    decisions, truth = held_out
    assert log_likelihood(fitted, decisions) > float(truth[decisions.mask].mean()) - 0.03


def test_the_network_sees_what_a_logistic_regression_cannot(fitted, held_out):
    config = BehaviorConfig(actions=A, kind="logistic")
    logistic = fit_behavior(cohort(1600, 0)[0], cohort(400, 1)[0], config)
    counts = flatten(cohort(1600, 0)[0], A)[1].bincount(minlength=A)
    marginal = float((counts / counts.sum())[flatten(held_out[0], A)[1]].log().mean())
    assert log_likelihood(fitted, held_out[0]) > log_likelihood(logistic, held_out[0]) + 0.05 > marginal + 0.1


def test_predicted_and_observed_shares_agree_per_action(fitted, held_out):
    obs, action = flatten(held_out[0], A)
    probs = fitted.probs(obs, None)
    for a in range(A):
        for rows in probs[:, a].argsort().tensor_split(5):
            assert abs(float(probs[rows, a].mean() - (action[rows] == a).float().mean())) < 0.03


def test_importance_weights_of_other_policies_average_to_one(fitted, held_out):
    decisions = held_out[0]
    obs, action = decisions.obs[:, :T].reshape(-1, COLUMNS), decisions.action.reshape(-1)
    propensity = fitted.log_prob(obs, None, action).exp()
    sharper = torch.softmax(1.8 * clinician(obs).log(), 1).gather(1, action[:, None])[:, 0]
    uniform = torch.full_like(propensity, 1 / A)
    for target, share in ((sharper, 0.5), (uniform, 0.2), (uniform, 0.5)):
        ratio = ((1 - share) + share * target / propensity).log().reshape(-1, T)
        weight = torch.where(decisions.mask, ratio, 0.0).double().sum(1).exp()
        error = float(weight.std()) / len(weight) ** 0.5
        assert abs(float(weight.mean()) - 1) < 0.05 + 3 * error
        assert error < 0.05


def test_every_action_keeps_probability_far_from_the_data(fitted):
    probs = fitted.probs(1000 * torch.randn(500, COLUMNS, generator=torch.Generator().manual_seed(0)), None)
    assert torch.isfinite(probs).all()
    assert float(probs.min()) >= 1e-3 * 0.5 / A
    torch.testing.assert_close(probs.sum(1), torch.ones(500))


def test_few_patients_do_no_worse_than_the_base_rate(held_out):
    train, tuning = cohort(8, 5)[0], cohort(4, 6)[0]
    generator = torch.Generator().manual_seed(0)
    shuffled = [d.replace(obs=torch.randn(d.obs.shape, generator=generator)) for d in (train, tuning)]
    policy = fit_behavior(*shuffled, BehaviorConfig(actions=A))
    action = flatten(held_out[0], A)[1]
    obs = torch.randn(len(action), COLUMNS, generator=generator)
    assert float(policy.log_prob(obs, None, action).mean()) > -torch.tensor(float(A)).log() - 0.25


def test_padding_never_changes_the_fit(fitted):
    train, tuning = cohort(1600, 0)[0], cohort(400, 1)[0]
    noisy = torch.where(torch.cat([train.mask, train.mask[:, :1]], 1)[..., None], train.obs, 77.0)
    again = fit_behavior(
        train.replace(obs=noisy, action=torch.where(train.mask, train.action, 3)), tuning, BehaviorConfig(actions=A)
    )
    obs = train.obs[:, 0]
    assert torch.equal(again.probs(obs, None), fitted.probs(obs, None))


def test_bad_data_is_refused(held_out):
    good = cohort(20, 0)[0]
    with pytest.raises(ValueError, match="at least one decision"):
        fit_behavior(good, good.rows(torch.arange(0)), BehaviorConfig(actions=A))
    with pytest.raises(ValueError, match=r"actions in 0\.\.2"):
        most_frequent(good, 3)
    with pytest.raises(ValueError, match="discrete actions"):
        most_frequent(good.replace(action=torch.zeros(20, T, 2)), A)


def test_observations_of_another_layout_are_refused(fitted):
    with pytest.raises(ValueError, match="expected observations of 6 columns, got 7"):
        fitted.probs(torch.zeros(1, 7), None)
