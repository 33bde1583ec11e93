"""Two example reports: a cohort whose truth is known, and a small cohort of records."""

from __future__ import annotations

from example_distributions import of_survival, of_time_in_range
from example_parts import (
    ESTIMAND,
    FLUID,
    NOREPINEPHRINE,
    PROVENANCE,
    SUBGROUPS,
    TASK,
    behavior,
    clinician,
    estimate,
    external,
    features,
    policy,
    simulator,
)
from example_sensitivity import NOTHING_CARRIED, SENSITIVITY
from example_tree import TREE
from posology.evaluation.ranking import rankings
from posology.evaluation.report import Candidate, Cohort, FeatureSummary, FlowStep, Report, Selection, Split, Truth


def known_truth() -> Report:
    """A run on a simulated cohort, where the unpenalised policy exploits its simulator."""
    policies = {
        "clinician": clinician(true=True),
        "behavior": policy(
            "Fitted clinician", "behavior", claim=0.818, true=0.809, est=0.806, ess=625, action=(1.5, 1.2),
            rates=(0.033, 0.019), seed=1, agreement=0.47, unsupported=0.002,
        ),
        "random": policy(
            "Random doses", "baseline", claim=0.71, true=0.652, est=0.49, ess=4.2, action=(2, 2),
            rates=(0.2, 0.19), seed=2, agreement=0.04, unsupported=0.31,
        ),
        "none": policy(
            "No treatment", "baseline", claim=0.744, true=0.581, est=0.7, ess=9.1, action=(-1, -1),
            rates=(0, 0), seed=3, agreement=0.12, unsupported=0.22,
        ),
        "most_frequent": policy(
            "Most frequent dose", "baseline", claim=0.77, true=0.69, est=0.74, ess=17, action=(1, 0),
            rates=(0, 0), seed=4, agreement=0.18, unsupported=0.17,
        ),
        "ppo_unpenalised": policy(
            "PPO, no penalty", "unpenalised", claim=0.953, true=0.612, est=0.97, ess=1.8, action=(3.7, 0.2),
            rates=(0.081, 0.402), seed=5, agreement=0.06, unsupported=0.44,
        ),
        "ppo": policy(
            "PPO, penalty 2", "penalised", claim=0.921, true=0.876, est=0.89, ess=38, action=(1.2, 1.9),
            rates=(0.012, 0.007), seed=6, agreement=0.36, unsupported=0.04,
        ),
        "blend_10": policy(
            "10 % of PPO, penalty 2", "blend", claim=0.828, true=0.818, est=0.816, ess=520, action=(1.45, 1.3),
            rates=(0.03, 0.017), seed=7, agreement=0.46, unsupported=0.006, base="ppo", share=0.1,
        ),
        "blend_30": policy(
            "30 % of PPO, penalty 2", "blend", claim=0.851, true=0.833, est=0.829, ess=212, action=(1.4, 1.45),
            rates=(0.026, 0.015), seed=8, agreement=0.44, unsupported=0.013, base="ppo", share=0.3,
        ),
    }  # fmt: skip
    return Report(
        name="demo",
        title="Fluids and norepinephrine in septic shock, on patients whose truth is known",
        config_hash="a41f09c27be0",
        created="2025-11-03T09:41:00+00:00",
        estimand=ESTIMAND,
        cohort=Cohort(
            fingerprint="9d4f0f0f6f1f4c86a2f5cfd5e0b1ad73e8a4b1b6b4f0d0a7c4a0e52f4d1cbb02",
            patients=2500,
            stays=2500,
            decisions=36841,
            name="built-in septic shock cohort",
            simulated=True,
            flow=(
                FlowStep(step="simulated admissions", stays=2500),
                FlowStep(step="with a trigger of septic shock", stays=2500),
                FlowStep(step="with at least one decision", stays=2500),
            ),
            splits={
                "train": Split(patients=1496, stays=1496, decisions=22019),
                "tuning": Split(patients=379, stays=379, decisions=5597),
                "held_out": Split(patients=625, stays=625, decisions=9225),
            },
            outcomes={"in care": 402, "discharged alive": 1611, "died": 487},
            features=features(),
            drugs=(FLUID, NOREPINEPHRINE),
            context=(
                FeatureSummary(name="age", label="Age", unit="years", measured=1, mean=64.1, sd=15.2, low=36, high=86),
            ),
        ),
        behavior=behavior(9225, 1.92),
        policies=policies,
        selection=Selection(
            rule="smallest penalty with at most 5 % of its decisions unsupported by the clinicians' on tuning patients",
            candidates=(
                Candidate(penalty=0, unsupported=0.44, claimed=0.953, true=0.612),
                Candidate(penalty=0.5, unsupported=0.17, claimed=0.944, true=0.741),
                Candidate(penalty=1, unsupported=0.08, claimed=0.935, true=0.861),
                Candidate(penalty=2, unsupported=0.04, claimed=0.921, true=0.876, chosen=True),
                Candidate(penalty=4, unsupported=0.02, claimed=0.894, true=0.858),
            ),
        ),
        simulator=simulator(),
        truth=Truth(patients=5000, seed=11, model="composite sepsis model"),
        ranking=rankings(policies),
        provenance=PROVENANCE,
        task=TASK,
        subgroups=SUBGROUPS,
        external=external(),
        tree=TREE,
        sensitivity=SENSITIVITY,
        distributions=of_survival(policies),
    )


def time_in_range() -> Report:
    """The same run, had it been about a share of time: stays differ by more than how they end."""
    known = known_truth()
    estimand = known.estimand.model_copy(update={"value_name": "time in range"})
    return known.model_copy(update={"estimand": estimand, "distributions": of_time_in_range(known.policies)})


def records() -> Report:
    """A run on a hundred patients' records: no truth, and nothing far from the clinicians can be evaluated."""
    known = known_truth()
    policies = {
        name: p.model_copy(
            update={
                "true_value": None,
                "true_difference": None,
                "estimates": {
                    k: estimate(e.value, 0.2, (e.effective_sample_size or 0) / 26, mean_weight=0.7, share=0.3)
                    for k, e in p.estimates.items()
                },
            }
        )
        for name, p in known.policies.items()
    }
    cohort = known.cohort.model_copy(
        update={
            "fingerprint": "1b" * 32,
            "patients": 71,
            "stays": 83,
            "decisions": 1011,
            "name": "MIMIC-IV demo",
            "simulated": False,
            "flow": (
                FlowStep(step="intensive-care stays", stays=140),
                FlowStep(step="adults", stays=140),
                FlowStep(step="hypotension or vasopressor within 48 h of admission", stays=97),
                FlowStep(step="at least 8 h of stay after time zero", stays=83),
            ),
            "splits": {
                "train": Split(patients=42, stays=50, decisions=618),
                "tuning": Split(patients=11, stays=12, decisions=144),
                "held_out": Split(patients=18, stays=21, decisions=249),
            },
            "outcomes": {"in care": 41, "discharged alive": 31, "died": 11},
            "warnings": ("norepinephrine equivalents: vasopressin 2.4 units/h counted as 0.1 ug/kg/min",),
        }
    )
    return known.model_copy(
        update={
            "name": "sepsis_mimic",
            "title": "Fluids and vasopressors in shock, MIMIC-IV",
            "cohort": cohort,
            "policies": policies,
            "truth": None,
            "ranking": (),
            "sensitivity": NOTHING_CARRIED,
            "distributions": {},
            "behavior": behavior(249, 2.38),
            "selection": known.selection
            and known.selection.model_copy(
                update={
                    "candidates": tuple(c.model_copy(update={"true": None}) for c in known.selection.candidates),
                }
            ),
        }
    )
