"""The ranking of a run's candidates, for a person: the table, the first choice in words, and what the truth says."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .select import Choice, Ranked
from .select_truth import Truth

_WRAPPED = 100  # characters of a line of text


def show_choice(choice: Choice, console: Console) -> None:
    """Print the ranking, who was left out and why, and where it is known what the choice was worth."""
    if choice.ranked:
        for table in _tables(choice, console.width):
            console.print(table)
        _say(console, _first(choice))
    else:
        _say(console, _nothing(choice))
    if choice.left_out:
        console.print(f"[bold]Left out[/], {len(choice.left_out)}:", highlight=False)
        for name, reason in choice.left_out.items():
            said = reason.removeprefix("not evaluable: ").partition(";")[0]
            console.print(
                f"  {escape(choice.labels.get(name, name))} [dim]({name})[/]: {escape(said)}", highlight=False
            )
    if choice.truth is not None and choice.ranked:
        _say(console, _worth(choice, choice.truth))
    _say(
        console,
        "Risks are shares of resamples of the held-out patients. They hold if the records show all that moved the "
        "doses, and say nothing about care.",
    )


_Column = tuple[str, list[str]]  # head and cells


def _tables(choice: Choice, width: int) -> list[Table]:
    """One table, or where it would not fit, one of what the records say and one of the risks."""
    first, second = _estimates(choice), _risks(choice)
    who = [("", [str(n) for n in range(1, len(choice.ranked) + 1)]), ("policy", [row.label for row in choice.ranked])]
    unit = ", %" if choice.percent else ""
    title = f"{choice.run}: {choice.value_name}{unit}, by {choice.estimator.replace('_', ' ')}, best first"
    needed = sum(2 + max(map(len, (head, *cells))) for head, cells in (*who, *first, *second))
    if needed <= width:
        return [_table(title, [*who, *first, *second])]
    return [_table(title, [*who, *first]), _table("", [*who, *second])]


def _table(title: str, columns: list[_Column]) -> Table:
    table = Table(title=escape(title) or None, title_justify="left", box=None, pad_edge=False)
    for head, _ in columns:
        table.add_column(head, justify="left" if head in ("policy", "verdict") else "right", overflow="fold")
    for cells in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*map(escape, cells))
    return table


def _estimates(choice: Choice) -> list[_Column]:
    rows = choice.ranked
    columns = [("verdict", [r.verdict for r in rows]), ("estimate", [_number(choice, r.value) for r in rows])]
    if any(row.critic is not None for row in rows):
        columns.append(("fitted Q", [_number(choice, r.critic) for r in rows]))
    if any(row.simulated is not None for row in rows):
        columns.append(("simulator", [_number(choice, r.simulated) for r in rows]))
    return [*columns, ("gain on clinicians", [_gain(choice, r) for r in rows])]


def _risks(choice: Choice) -> list[_Column]:
    rows = choice.ranked
    columns = [
        ("risk of none", [f"{r.risk.no_better:.0%}" for r in rows]),
        ("as chosen", [f"{r.risk.chosen:.0%}" + (" *" if r.better else "") for r in rows]),
        ("best of all", [f"{r.risk.best:.0%}" for r in rows]),
        ("regret", [_number(choice, r.risk.regret) for r in rows]),
    ]
    if choice.truth is not None:
        columns.append(("true", [_number(choice, r.true) for r in rows]))
        columns.append(("true gain", [_number(choice, r.true_difference, "+") for r in rows]))
    return columns


def _first(choice: Choice) -> str:
    """The first choice in words."""
    row = choice.ranked[0]
    if row.verdict == "model-based":
        return (
            f"First choice: {row.label}, on the word of a fitted model. The risks leave out the error of that model, "
            "which can be larger than any difference here: nobody is claimed to be better than the clinicians."
        )
    rivals = "" if len(choice.ranked) == 1 else f", {row.risk.chosen:.0%} allowing for its choice among all"
    weak = " Its estimate is weak: interval and risk may be too small." if row.verdict == "weak" else ""
    claims = [one.label for one in choice.ranked if one.better]
    claimed = f"Claimed to be better than the clinicians (* supported, risk within {choice.limit:.0%}): "
    none = f"None is supported and within a risk of {choice.limit:.0%}, so none is claimed to be better"
    return (
        f"First choice: {row.label}. The risk that it is no better than the clinicians is {row.risk.no_better:.0%}"
        f"{rivals}.{weak} {claimed + ', '.join(claims) if claims else none}."
    )


def _nothing(choice: Choice) -> str:
    return (
        f"{choice.run}: no candidate can be evaluated by {choice.estimator.replace('_', ' ')} on these records, so "
        "nothing can be ranked, and none may be preferred to what clinicians do. What would help: blends of a smaller "
        "share (blends=[0.02, 0.05]), more patients, or a policy nearer to the clinicians."
    )


def _worth(choice: Choice, truth: Truth) -> str:
    """What the choice was worth, in words."""
    size = len(choice.ranked)
    few = "" if truth.regret_few is None else f" ({_number(choice, truth.regret_few)} with the best of the first three)"
    order = ""
    if truth.spearman is not None and truth.kendall is not None:
        order = (
            f" The order agrees with the true one by {truth.spearman:.2f} (Spearman), {truth.kendall:.2f} (Kendall)."
        )
    return (
        f"Known truth: clinicians {_number(choice, truth.clinicians)}.{order} The first choice costs "
        f"{_number(choice, truth.regret)} against the best of the {size} ranked{few}, and "
        f"{_number(choice, truth.lost)} against the best of all, {truth.best}. Claimed better but no better (type I "
        f"error): {truth.false_alarms} of {truth.no_better}. Better but not claimed (type II error): {truth.missed} of "
        f"{size - truth.no_better}."
    )


def _gain(choice: Choice, row: Ranked) -> str:
    if row.low is None or row.high is None:
        return _number(choice, row.difference, "+")
    return (
        f"{_number(choice, row.difference, '+')} ({_number(choice, row.low, '+')} to {_number(choice, row.high, '+')})"
    )


def _number(choice: Choice, value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{100 * value:{sign}.1f}" if choice.percent else f"{value:{sign}.3f}"


def _say(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, width=min(console.width, _WRAPPED))
