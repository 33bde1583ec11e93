"""Small counts are left out of a report, page and JSON alike: they could tell of a person.

A count of 1 to 9 becomes None, and so does a larger one from which, with a total that is shown, it could be worked out.
Shares and means stay: they are what a report is for, and are of no use to find anyone in a cohort of ten or more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .report import (
    CalibrationBin,
    Cohort,
    Count,
    FlowStep,
    Number,
    PolicyReport,
    Report,
    SitesReport,
    Split,
    SubgroupReport,
    TaskReport,
)

LEAST = 10  # the smallest count that is shown
_FEW = re.compile(r"(?<![\d.,])[1-9] (events?|rows?|values?|stays?|patients?|infusions?|numbers?)\b")  # in notes


def suppressed(report: Report) -> Report:
    """The report without small counts; doing it twice changes nothing."""
    behavior, simulator, external = report.behavior, report.simulator, report.external
    if behavior is not None:
        gone = {"count": None, "observed": None}
        actions = tuple(a.model_copy(update=gone) if shown(a.count) is None else a for a in behavior.actions)
        bins = tuple(b.model_copy(update={"count": shown(b.count)}) for b in behavior.propensities)
        calibration = _calibration(behavior.calibration)
        update = {"calibration": calibration, "actions": actions, "propensities": bins}
        behavior = behavior.model_copy(update=update)
    if external is not None:
        counts = {name: shown(getattr(external, name)) for name in ("patients", "stays", "decisions")}
        external = external.model_copy(update={**counts, "scores": _scores(external.scores)})
    calibration = _calibration(simulator.outcome_calibration)
    return report.model_copy(
        update={
            "cohort": _cohort(report.cohort),
            "behavior": behavior,
            "simulator": simulator.model_copy(
                update={"outcome_calibration": calibration, "outcome_scores": _scores(simulator.outcome_scores)}
            ),
            "policies": {name: _policy(p) for name, p in report.policies.items()},
            "subgroups": subgroups(report.subgroups),
            "external": external,
            "task": _task(report.task),
            "sites": _sites(report.sites),
        }
    )


def shown(count: Count) -> Count:
    """The count, unless it is small; none at all is no small number."""
    return None if count is None or 0 < count < LEAST else count


def hidden(counts: Sequence[Count]) -> list[bool]:
    """Which cells of counts with a known total to leave out: small ones, and one more where one alone is small."""
    small = [shown(count) is None for count in counts]
    if sum(small) == 1:
        others = [(count, i) for i, count in enumerate(counts) if count and not small[i]]
        if others:
            small[min(others)[1]] = True
    return small


def flow(steps: Sequence[FlowStep]) -> tuple[FlowStep, ...]:
    """Steps without a count that differs from the next one shown by a small number; the last is the cohort itself."""
    kept: list[FlowStep] = []
    after: int | None = None
    for step in reversed(steps):
        stays = shown(step.stays)
        if stays is not None and after is not None and 0 < abs(stays - after) < LEAST:
            stays = None
        kept.append(FlowStep(step=step.step, stays=stays))
        after = after if stays is None else stays
    return tuple(reversed(kept))


def subgroups(groups: Sequence[SubgroupReport]) -> tuple[SubgroupReport, ...]:
    """Groups of one variable make up the held-out patients: a small one takes another one with it."""
    found = []
    for group in groups:
        together = [g for g in groups if g.variable == group.variable]
        gone = hidden([g.patients for g in together])[together.index(group)]
        bare: dict[str, object] = {"patients": None, "stays": None, "observed": None, "estimates": {}}
        found.append(group.model_copy(update=bare) if gone else group)
    return tuple(found)


def _cohort(cohort: Cohort) -> Cohort:
    names = list(cohort.splits)
    gone = hidden([cohort.splits[name].patients for name in names])
    nothing = Split(patients=None, stays=None, decisions=None)
    outcomes = list(cohort.outcomes.items())
    out = hidden([count for _, count in outcomes])
    return cohort.model_copy(
        update={
            "flow": flow(cohort.flow),
            "splits": {n: nothing if g else cohort.splits[n] for n, g in zip(names, gone, strict=True)},
            "outcomes": {name: None if g else count for (name, count), g in zip(outcomes, out, strict=True)},
            "warnings": tuple(_FEW.sub(r"under 10 \1", text) for text in cohort.warnings),
            "checks": tuple(
                c.model_copy(update={"found": shown(c.found), "detail": _FEW.sub(r"under 10 \1", c.detail)})
                for c in cohort.checks
            ),
            "features": tuple(f.model_copy(update={"out_of_bounds": shown(f.out_of_bounds)}) for f in cohort.features),
            "context": tuple(f.model_copy(update={"out_of_bounds": shown(f.out_of_bounds)}) for f in cohort.context),
        }
    )


def _calibration(bins: Sequence[CalibrationBin]) -> tuple[CalibrationBin, ...]:
    gone = {"count": None, "observed": None, "low": None, "high": None}
    return tuple(b.model_copy(update=gone) if shown(b.count) is None else b for b in bins)


def _scores(scores: dict[str, Number]) -> dict[str, Number]:
    """Scores of the risk of death, unless they stand on a small number of deaths: noise, and telling of people."""
    deaths = scores.get("deaths")
    return {"deaths": None} if "deaths" in scores and (deaths is None or 0 < deaths < LEAST) else scores


def _policy(policy: PolicyReport) -> PolicyReport:
    kept = {
        name: e.model_copy(update={"weighted_stays": shown(e.weighted_stays)}) for name, e in policy.estimates.items()
    }
    return policy.model_copy(update={"estimates": kept})


def _task(task: TaskReport | None) -> TaskReport | None:
    if task is None:
        return None
    gone = {"decisions": None, "share": None}
    levels = (x.model_copy(update=gone) if shown(x.decisions) is None else x for x in task.levels)
    return task.model_copy(update={"levels": tuple(levels)})


def _sites(sites: SitesReport | None) -> SitesReport | None:
    """Small sites come together as one; what is still small has no numbers."""
    if sites is None:
        return None
    gone = {n: None for n in ("patients", "stays", "decisions", "nll", "off", "nll_sited", "off_sited", "moved", "by")}
    each = (x.model_copy(update={**gone, "more": ()}) if shown(x.patients) is None else x for x in sites.each)
    return sites.model_copy(update={"each": tuple(each)})
