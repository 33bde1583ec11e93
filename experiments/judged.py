"""Who is judged in a run: the clinicians, baselines, learned policies and blends, each as it acts in every setting."""

from __future__ import annotations

from dataclasses import dataclass

from ..contracts import Blend, Clinician, DiscretePolicy, Policy, Spec
from ..evaluation.report import PolicyKind
from .sources import Rule

Actor = Policy | Clinician | Blend


@dataclass(frozen=True)
class Judged:
    """One line of the report. None where a setting does not apply."""

    name: str
    label: str
    kind: PolicyKind
    description: str
    target: DiscretePolicy | Blend | None  # evaluated off-policy on held-out stays
    simulated: Actor | None  # acts in the learned simulator
    true: Actor | None  # acts in the known truth
    base: str | None = None
    share: float | None = None


def policies_to_judge(
    behavior: DiscretePolicy,
    baselines: dict[str, DiscretePolicy],
    unpenalised: DiscretePolicy,
    penalised: DiscretePolicy,
    shares: tuple[float, ...],
    *,
    spec: Spec,
    clinician: Clinician | None,
    rules: tuple[Rule, ...],
    learner: str = "ppo",
) -> list[Judged]:
    """Everyone that a run judges, for patients of `spec`; `clinician` and `rules` only where the truth is known.

    The true value of a blend uses the true clinician, its off-policy ratio the fitted one: the difference counts as
    the estimator's error.
    """
    names = {"random": "Random doses", "none": "No treatment", "most_frequent": "Most frequent dose"}
    told = {
        "random": "Every dose combination equally likely.",
        "none": nothing(spec),
        "most_frequent": "Always the combination that clinicians gave most often.",
    }
    judged = [
        Judged(
            "clinician",
            "Clinicians",
            "clinician",
            "What was really done; in the simulator, the fitted clinician stands in.",
            behavior,
            behavior,
            clinician,
        ),
        Judged(
            "fitted_clinician",
            "Fitted clinician",
            "behavior",
            "The behaviour policy learned from training stays.",
            behavior,
            behavior,
            behavior,
        ),
    ]
    judged += [Judged(k, names[k], "baseline", told[k], p, p, p) for k, p in baselines.items()]
    judged += [Judged(r.name, r.label, "baseline", r.text, None, None, r.acting()) for r in rules]
    judged += [
        Judged(
            f"{learner}_unpenalised",
            f"{learner.upper()}, no penalty",
            "unpenalised",
            f"{learner.upper()} trained in the learned simulator, free to exploit its errors.",
            unpenalised,
            unpenalised,
            unpenalised,
        ),
        Judged(
            learner,
            f"{learner.upper()}, penalised",
            "penalised",
            f"{learner.upper()} trained where the ensemble agrees; penalty chosen by support on tuning patients.",
            penalised,
            penalised,
            penalised,
        ),
    ]
    return judged + [_blend(penalised, behavior, clinician, share, learner=learner) for share in shares]


def _blend(
    policy: DiscretePolicy, behavior: DiscretePolicy, clinician: Clinician | None, share: float, *, learner: str
) -> Judged:
    fitted = Blend(policy, behavior, share)
    return Judged(
        f"blend_{round(100 * share)}",
        f"Blend, {share:.0%} {learner.upper()}",
        "blend",
        f"Each decision follows the penalised {learner.upper()} with probability {share:.0%}, else the clinicians.",
        fitted,
        fitted,
        Blend(policy, clinician or behavior, share),
        base=learner,
        share=share,
    )


def nothing(spec: Spec) -> str:
    """In words: none of the drugs is given."""
    names = [drug.label or drug.name for drug in spec.drugs]
    plain = [name if name[1:2].isupper() else name[:1].lower() + name[1:] for name in names]
    return f"No {plain[0]}." if len(plain) == 1 else f"Neither {', '.join(plain[:-1])} nor {plain[-1]}."
