"""Support of a policy, and the choice among candidates by it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from posology.agents.baselines import ConstantPolicy, fixed_policy, random_policy
from posology.agents.selection import Candidate, rule, select
from posology.agents.support import unsupported_share


def test_share_of_probability_on_rare_actions(make_logged):
    decisions = make_logged(30, 0, steps=4)
    behavior = ConstantPolicy(torch.tensor([0.5, 0.485, 0.01, 0.005]))
    assert unsupported_share(decisions, random_policy(4), behavior) == pytest.approx(0.25)
    assert unsupported_share(decisions, random_policy(4), behavior, rare=0.011) == pytest.approx(0.5)
    assert unsupported_share(decisions, fixed_policy(0, 4), behavior) == 0.0
    assert unsupported_share(decisions, fixed_policy(3, 4), behavior) == 1.0


def test_masks_bind_the_policy_and_not_the_clinician(make_logged):
    decisions = make_logged(10, 0, steps=2)
    allowed = torch.ones(10, 3, 4, dtype=torch.bool)
    allowed[:, :, 3] = False
    behavior = ConstantPolicy(torch.tensor([0.5, 0.485, 0.01, 0.005]))
    assert unsupported_share(decisions.replace(allowed=allowed), random_policy(4), behavior) == 0.0


def test_only_decisions_that_were_made_count(make_logged):
    decisions = make_logged(50, 0, steps=4)
    nothing = decisions.replace(mask=torch.zeros_like(decisions.mask))
    with pytest.raises(ValueError, match="at least one decision"):
        unsupported_share(nothing, random_policy(4), random_policy(4))


def test_without_a_second_simulator_the_smallest_penalty_within_the_limit_is_chosen():
    candidates = [Candidate(3.0, 0.01), Candidate(0.3, 0.2), Candidate(1.0, 0.05), Candidate(0.0, 0.6)]
    assert select(candidates, 0.05) == 2
    assert select(candidates, 0.3) == 1
    candidates[0] = Candidate(3.0, 0.3)
    assert select(candidates, 0.001) == 2  # none within: the best supported one
    assert "5%" in rule(0.05, second=False) and "smallest penalty" in rule(0.05, second=False)
    assert "second simulator" in rule(0.05, second=True)


def test_the_one_worth_most_in_the_second_simulator_is_chosen_of_those_within_the_limit():
    candidates = [Candidate(0.3, 0.4, 0.95), Candidate(1.0, 0.2, 0.86), Candidate(3.0, 0.1, 0.88)]
    assert select(candidates, 0.25) == 2
    assert select(candidates, 0.5) == 0
    assert select(candidates, 0.01) == 2
    worse = [Candidate(c.penalty, c.unsupported, (c.second or 0) - 10) for c in candidates]
    assert select(worse, 0.25) == 2, "rewards may be negative"
    with pytest.raises(ValueError, match="every candidate or for none"):
        select([*candidates, Candidate(10.0, 0.1)], 0.25)


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="at least one candidate"):
        select([], 0.05)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=8), st.floats(0, 1))
def test_selection_law(pairs, limit):
    candidates = [Candidate(*pair) for pair in pairs]
    chosen = candidates[select(candidates, limit)]
    within = [c.penalty for c in candidates if c.unsupported <= limit]
    if within:
        assert chosen.penalty == min(within) and chosen.unsupported <= limit
    else:
        assert chosen.unsupported == min(c.unsupported for c in candidates)
