"""A report in plain English, for a reader who is no statistician: questions, and answers made from its numbers.

The same rules as in `wording`: nothing is called better or worse unless an interval says so, no estimate that is not
evaluable is quoted, a simulator's value is a claim, and nothing is recommended.
"""

from __future__ import annotations

from collections.abc import Sequence

from .page_sensitivity import hidden_cause
from .report import ConstraintReport, PolicyReport, Report, SubgroupReport
from .style import NARROW, Values, count, percent, words
from .wording import boldest, evaluable, first, primary

LEARNED = ("unpenalised", "penalised", "blend", "other")


def summary(report: Report) -> tuple[tuple[str, str], ...]:
    """(question, answer) pairs; a question without numbers to answer it is left out."""
    answers = {
        "What was studied?": _studied(report),
        "What can the records say?": _records(report),
        "What if something was never charted?": hidden_cause(report),
        "Is the simulator right about its own policies?": _claims(report),
        "Does the simulator foresee what happens to patients?": _fidelity(report),
        "Do the policies keep to the dose limits?": _limits(report),
        "Do some patients fare differently?": _subgroups(report),
        "Does the simulator hold elsewhere?": _external(report),
        "What must not be concluded?": _never(report),
    }
    return tuple((question, text) for question, text in answers.items() if text)


def _studied(report: Report) -> str:
    c, e = report.cohort, report.estimand
    who = f"{count(c.patients)} simulated patients (no real person among them)" if c.simulated else (
        f"the records of {count(c.patients)} patients"
    )  # fmt: skip
    held = c.splits.get("held_out")
    judged = f" on {count(held.patients)} patients kept aside" if held and held.patients is not None else ""
    return (
        f"A computer model learned from {who} how patients respond to treatment. Policies for dosing {e.rhythm} "
        f"were learned inside that model and then judged{judged}."
    )


def _records(report: Report) -> str:
    asked = [p for p in report.policies.values() if p.kind in (*LEARNED, "baseline") and primary(report, p)]
    if not asked:
        return ""
    carried = [p for p in asked if evaluable(primary(report, p))]
    sure = [p for p in carried if (e := primary(report, p)) is not None and e.verdict == "supported"]
    text = (
        f"Of {len(asked)} policies other than the clinicians’ own, the held-out records support an estimate for "
        f"{len(sure) or 'none'}"
    )
    text += f" and carry a weak one for {len(carried) - len(sure)}" if len(carried) > len(sure) else ""
    text += ". The others choose doses too unlike those that clinicians gave." if len(carried) < len(asked) else "."
    bold = boldest(report)
    return f"{text} {_gain(report, bold)}" if bold is not None else text


def _gain(report: Report, policy: PolicyReport) -> str:
    """What the estimate of a supported policy says beside the clinicians."""
    e, values = primary(report, policy), Values.of(report.estimand)
    if e is None or e.difference is None or None in (e.difference.low, e.difference.high):
        return ""
    low, high = e.difference.low or 0.0, e.difference.high or 0.0
    interval = f"({values.signed(low)} to {values.signed(high)})"
    if low > 0:
        return (
            f"For “{policy.label}” the estimate lies {values.points(e.difference.value)} above the clinicians "
            f"{interval}: a reason to look closer, no proof; it holds only if records show all that moved the doses"
            f"{' (see “Hidden causes”)' if report.sensitivity else ''}."
        )
    if high < 0:
        return f"For “{policy.label}” it lies {values.points(e.difference.value)} below the clinicians {interval}."
    return f"For “{policy.label}” no difference from the clinicians can be made out {interval}."


def _claims(report: Report) -> str:
    values = Values.of(report.estimand)
    gaps = [
        p.simulator_value.value - p.true_value.value
        for p in report.policies.values()
        if p.simulator_value and p.true_value and p.simulator_value.value is not None and p.true_value.value is not None
    ]
    if not gaps:
        claimed = any(p.simulator_value for p in report.policies.values())
        return (
            "That cannot be checked here: what it says of them is a claim, and nothing confirms it." if claimed else ""
        )
    high = sum(gap > 0 for gap in gaps)
    text = (
        f"It promises too much for {high} of {len(gaps)} policies; its claims are off by "
        f"{values.points(sum(map(abs, gaps)) / len(gaps))} on average, by {values.points(max(gaps, key=abs))} at worst."
    )
    row = next((r for r in report.ranking if r.score == "simulator claim"), None)
    if row is None or row.regret is None:
        return text
    if row.regret <= 0:
        return f"{text} Its favourite is truly the best of them."
    return f"{text} Picking its favourite would have cost {values.points(row.regret)} against the best of them."


def _fidelity(report: Report) -> str:
    rows = [r for r in report.simulator.comparisons if r.low is not None and r.high is not None]
    if not rows:
        return ""
    better = sum((r.high or 0.0) < 0 for r in rows)
    worse = sum((r.low or 0.0) > 0 for r in rows)
    text = f"Beside simpler models it errs less in {better} of {len(rows)} comparisons"
    text += f", more in {worse}" if worse else ""
    text += ", and undecided in the rest" if better + worse < len(rows) else ""
    return f"{text}. That is about doses clinicians gave; what it says of other doses is not tested by it."


def _limits(report: Report) -> str:
    policy, clinician = first(report, "penalised") or first(report, "unpenalised"), first(report, "clinician")
    if policy is None or clinician is None:
        return ""
    told = []
    for name, own in policy.constraints.items():
        theirs = clinician.constraints.get(name)
        if theirs is not None:
            told.append(f"{(own.label or words(name)).replace('ug/', 'µg/')}: {_beside(own, theirs)}")
    return f"“{policy.label}” beside the clinicians. {_sentences(told)}" if told else ""


def _beside(own: ConstraintReport, theirs: ConstraintReport) -> str:
    rates = f"{percent(own.rate)} of decisions, clinicians {percent(theirs.rate)}"
    if None in (own.low, own.high, theirs.low, theirs.high):
        return rates
    if (own.low or 0.0) > (theirs.high or 0.0):
        return f"more often ({rates})"
    if (own.high or 0.0) < (theirs.low or 0.0):
        return f"less often ({rates})"
    return f"no clear difference ({rates})"


def _subgroups(report: Report) -> str:
    groups = [g for g in report.subgroups if g.observed is not None and g.observed.value is not None]
    if len(groups) < 2:
        return ""
    values, apart = Values.of(report.estimand), []
    for variable in dict.fromkeys(g.variable for g in groups):
        own = [g for g in groups if g.variable == variable]
        if len(own) > 1 and _separate(own):
            apart.append(variable)
    text = f"Under the clinicians, {values.name} was compared in {len(groups)} groups of held-out patients. "
    if not apart:
        text += "No two groups differ by more than chance allows."
    else:
        text += f"It differs clearly by {_listed(apart)}; that says who is ill, not who is treated badly."
    return f"{text} With so many comparisons some would differ by chance."


def _separate(groups: Sequence[SubgroupReport]) -> bool:
    """The 95 % intervals of two groups do not meet."""
    known = [g.observed for g in groups if g.observed is not None and None not in (g.observed.low, g.observed.high)]
    return any((a.high or 0.0) < (b.low or 0.0) for a in known for b in known)


def _external(report: Report) -> str:
    x = report.external
    if x is None:
        return ""
    rows = [r for r in x.comparisons if r.low is not None and r.high is not None]
    better, worse = sum((r.high or 0.0) < 0 for r in rows), sum((r.low or 0.0) > 0 for r in rows)
    text = f"On {x.name}, it errs less than simpler models from home in {better} of {len(rows)} comparisons"
    text += f", and more in {worse}" if worse else ""
    return f"{text}. The policies were not judged there."


def _never(report: Report) -> str:
    who = (
        "These patients are made up."
        if report.cohort.simulated
        else "Records show what was charted, not what was seen."
    )
    return (
        f"That any patient should be treated as a policy here would. {who} A 95{NARROW}% interval covers the chance of "
        "who was in the cohort, and no other error: not a wrong model, not a missing measurement, not another hospital."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentences(told: Sequence[str]) -> str:
    return " ".join(f"{text[:1].upper()}{text[1:]}." for text in told)
