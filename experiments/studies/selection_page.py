"""The page on choosing among the policies of a run, with the tables of the selection study."""

from __future__ import annotations

from typing import Any

_TEXT = """# Choosing among the policies of a run

`posology select RUN` ranks the candidates of a finished run by what its held-out records say, and states the risk of
each choice. Where the truth is known it also says, afterwards, what the choice was worth.

1. **Left out** is who cannot be evaluated: no rank could be defended. Where that is everybody, nothing is ranked.
2. **Two stages** (Tang & Wiens 2021): the highest estimates are kept (`--keep`), and ordered by fitted Q evaluation
   where the run has it. Weights prune, a critic ranks.
3. **Risk of none** is the share of resampled patients and refits in which a candidate gains nothing on the clinicians.
   **As chosen** allows for its having been picked among all: the share of resamples in which any candidate strays
   above its own mean by as many standard errors as this one lies above the clinicians (White 2000).
4. **Claimed to be better** (\\*) is only who is supported and, as chosen, within `--risk` (2 %). On the word of a
   fitted model alone nobody is.

## Is the stated risk the risk that is taken?

By `python -m posology.experiments.studies.selection --out docs` (two minutes): {cohorts} cohorts of each size, their
clinicians' propensities known, up to eight decisions of five doses each, eight candidates (four policies blended in at
10 and 30 %), judged by weighted importance sampling as in a run; true values in closed form.

**Where no dose matters** nobody is better, and every claim is wrong. Cohorts with at least one claim at a stated 5 %:

| stays | one by one | as chosen | as chosen and supported | the same, stated 2 % |
|---:|---:|---:|---:|---:|
{wrong}

Taken one by one, the best-looking of eight is claimed wrongly in a quarter of all cohorts. Allowing for the choice
removes most of that and not all: what is stated as 5 % is {taken} %, since the weights of few stays are
skewed and a bootstrap of them is not exact. That is why the limit is a stated 2 %: taken, it is {strict} %.

**Where doses matter** and policies lean to the better ones:

| stays | wrong claims at 5 % | better, not claimed | rank correlation | regret@1 | regret@3 | spread of true values |
|---:|---:|---:|---:|---:|---:|---:|
{matter}

Wrong claims are rare, and the price is that most of what is better goes unclaimed until there are thousands of stays.
Regret (of the first choice, of the best of the first three) and the spread of the true values are in points of
survival: the first choice costs little, since candidates that can hardly be told apart are nearly alike.

**Stated against true**, all candidates of the same cohorts: among those with about the stated risk of gaining nothing,
the share that truly gains nothing.

| stated | {heads} |
|---:|{lines}
{bins}

Most candidates are good here, so that a middling risk overstates; with a thousand stays and more the two agree at both
ends, and with 300 a risk near 0 is taken twice as often as stated. None of this covers what records do not show (hidden
confounding), which no resampling of patients reveals.
"""


def page(results: dict[str, Any]) -> str:
    """The page in Markdown."""
    none, some = results["no dose matters"], results["doses matter"]
    sizes = sorted(some, key=int)
    wrong = [[_count(n), *(_percent(none[n][k]) for k in _WRONG)] for n in sizes]
    matter = [[_count(n), _percent(s["wrong_claimed"]), _percent(s["missed"]), f"{s['spearman']:.2f}", *_points(s)]
              for n, s in ((n, some[n]) for n in sizes)]  # fmt: skip
    stated = some[sizes[0]]["stated"]
    bins = [[_percent(row[0]), *(_near(some[n]["stated"], row[0]) for n in sizes)] for row in stated]
    return _TEXT.format(
        cohorts=_count(some[sizes[0]]["cohorts"]),
        wrong=_rows(wrong),
        taken=_span([none[n]["wrong_claimed"] for n in sizes]),
        strict=_span([none[n]["wrong_strict"] for n in sizes]),
        matter=_rows(matter),
        heads=" | ".join(f"{_count(n)} stays" for n in sizes),
        lines="---:|" * len(sizes),
        bins=_rows(bins),
    )


_WRONG = ("wrong_one_by_one", "wrong_chosen", "wrong_claimed", "wrong_strict")


def _span(shares: list[float]) -> str:
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f}"


def _rows(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _points(found: dict[str, Any]) -> list[str]:
    return [f"{100 * found[name]:.1f}" for name in ("regret", "regret_3", "spread")]


def _near(stated: list[list[float]], wanted: float) -> str:
    """The true share in the bin whose mean stated risk is nearest."""
    return _percent(min(stated, key=lambda row: abs(row[0] - wanted))[1])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _count(number: Any) -> str:
    return f"{int(number):,}"
