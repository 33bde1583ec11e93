"""Groups of held-out stays: a partition by every variable, and nothing that is no comparison."""

import torch
from posology.contracts import Decisions, Feature
from posology.evaluation.subgroups import groups

CONTEXT = (
    Feature("age", "years", 0, 120, (40, 80), label="Age"),
    Feature("sex", "1", 0, 1, (0, 1), scale="category", levels=("female", "male")),
    Feature("always", "1", 0, 1, (0, 1), scale="category", levels=("no", "yes")),
)


def decisions(ages, site):
    n = len(ages)
    nothing = torch.zeros(n, 1)
    context = torch.tensor([[age, i % 2, 1.0] for i, age in enumerate(ages)])
    return Decisions(
        obs=torch.zeros(n, 2, 1), action=nothing.long(), allowed=None, reward=nothing, hours=nothing + 4,
        mask=nothing == 0, terminated=nothing[:, 0] == 0, log_behavior=None, subject=torch.arange(n),
        site=torch.tensor(site), context=context,
    )  # fmt: skip


def test_groups_of_a_variable_hold_every_stay_once():
    found = groups(decisions([20.0, 64.7, 64.7, 80.0, 91.0], [1, 1, 2, 2, 2]), CONTEXT)
    assert [(g.variable, g.name) for g in found] == [
        ("Age", "under 65 years"), ("Age", "65 years or more"), ("Sex", "female"), ("Sex", "male"),
        ("Site", "site 1"), ("Site", "site 2"),
    ]  # fmt: skip
    for variable in ("Age", "Sex", "Site"):
        rows = torch.tensor([g.rows.tolist() for g in found if g.variable == variable])
        assert (rows.sum(0) == 1).all()
    assert found[0].rows.tolist() == [True, True, True, False, False]


def test_what_all_share_is_no_group():
    found = groups(decisions([50.0, 50.0, 50.0], [7, 7, 7]), CONTEXT)
    assert {g.variable for g in found} == {"Sex"}
