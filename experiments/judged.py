"""Who is judged in a run: the clinicians, baselines, learned policies and blends, each as it acts in every setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..agents.table import LABELS
from ..contracts import Blend, Clinician, DiscretePolicy, Policy, Spec
from ..evaluation.report import PolicyKind
from .learners import levelled
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
    unpenalised: Policy,
    penalised: Policy,
    shares: tuple[float, ...],
    *,
    spec: Spec,
    clinician: Clinician | None,
    rules: tuple[Rule, ...],
    learner: str = "ppo",
    offline: Mapping[str, Policy] | None = None,
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
    label = LABELS[learner]
    judged += [
        _learned(
            f"{learner}_unpenalised",
            f"{label}, no penalty",
            "unpenalised",
            f"{label} trained in the learned simulator, free to exploit its errors.",
            unpenalised,
            spec,
        ),
        _learned(
            learner,
            f"{label}, penalised",
            "penalised",
            f"{label} trained where the ensemble agrees; penalty chosen from data, as told below.",
            penalised,
            spec,
        ),
    ]
    told_offline = "{} on the recorded stays alone, without the simulator; stopped on tuning patients."
    judged += [
        _learned(name, LABELS[name], "other", told_offline.format(LABELS[name]), policy, spec)
        for name, policy in (offline or {}).items()
    ]
    return judged + [_blend(levelled(penalised, spec), behavior, clinician, s, learner=learner) for s in shares]


def _learned(name: str, label: str, kind: PolicyKind, text: str, policy: Policy, spec: Spec) -> Judged:
    """A learned policy; one of continuous doses is judged on records by the levels into which they fall."""
    target = levelled(policy, spec)
    if target is not policy:
        text += " It gives continuous doses; off-policy estimates count the levels into which they fall."
    return Judged(name, label, kind, text, target, policy, policy)


def _blend(
    policy: DiscretePolicy, behavior: DiscretePolicy, clinician: Clinician | None, share: float, *, learner: str
) -> Judged:
    fitted = Blend(policy, behavior, share)
    return Judged(
        f"blend_{round(100 * share)}",
        f"Blend, {share:.0%} {LABELS[learner]}",
        "blend",
        f"Each decision follows the penalised {LABELS[learner]} with probability {share:.0%}, else the clinicians.",
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
