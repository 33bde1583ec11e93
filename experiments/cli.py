"""The command line: run, status, validate, compare, watch, simulate, list."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

app = typer.Typer(
    help="Learn patient simulators from health records, train treatment policies in them, and judge those policies "
    "honestly. Research only, not for care.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)


def main() -> None:
    """Run the command line; a known fault ends in one clear sentence and exit status 1."""
    # before torch is loaded: small networks gain nothing from threads, two of them collapse on a busy machine, and sums
    # change with their number, so that a run would not repeat itself
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from .errors import EXPECTED

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console)])
    try:
        app()
    except EXPECTED as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("interrupted; finished stages are kept, run the same command again to go on")
        sys.exit(130)


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped config (see `posology list`).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings to change: key.path=value ...")] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Start over instead of reusing finished stages.")] = False,
) -> None:
    """Run an experiment: records -> learned simulator -> policies -> estimates -> report.

    The run lands in OUT/<name>-<hash>/. Finished stages are reused, so an interrupted run goes on where it was.

    Example: posology run demo ppo.steps=100000 cohort.patients=3000
    """
    from .config import load_config
    from .runner import run_experiment

    page = run_experiment(load_config(config, overrides or []), out, force=force, console=console)
    console.print(f"[bold green]report:[/] {page}", highlight=False, soft_wrap=True)


@app.command()
def status(
    run: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program.")] = False,
) -> None:
    """List the stages of a run: key, state, seconds, and what made a stage stale or from where it will go on.

    Example: posology status runs/demo-4cbdc8b5
    """
    from .show import show_status
    from .status import status as look

    show_status(look(run), Console(), as_json=as_json)


@app.command()
def validate(
    data: Annotated[Path, typer.Argument(help="A MEDS dataset: a parquet file, or a folder of shards.")],
    task: Annotated[str, typer.Option(help="A task file, or the name of a shipped task (see `posology list`).")],
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file, as JSON.")] = None,
) -> None:
    """Say whether records hold what a task asks for: coverage, units, ranges, what was dropped and what is missing.

    Example: posology validate ~/mimic_meds --task sepsis --json validation.json
    """
    from ..trajectories.task_file import load_task
    from ..trajectories.validation import validate as look
    from .progress import bar
    from .show_records import save_validation, show_validation

    with bar(console, "reading records") as progress:
        found = look(data, load_task(task), progress=progress)
    show_validation(found, Console())
    if json is not None:
        save_validation(found, json)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, two or more.")],
    out: Annotated[Path, typer.Option(help="Folder for comparison.json and comparison.html.")],
) -> None:
    """Compare runs on the same cohort and estimand: paired differences between their policies."""
    from ..evaluation.compare import compare_runs

    page = compare_runs(runs, out)
    console.print(f"[bold green]comparison:[/] {page}", highlight=False, soft_wrap=True)


@app.command()
def select(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    estimator: Annotated[str | None, typer.Option(help="By which estimate; the report's own by default.")] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="How many stay for the second stage; all by default.")] = None,
    risk: Annotated[float, typer.Option(min=0, max=1, help="Limit up to which one is claimed to be better.")] = 0.02,
    json: Annotated[Path | None, typer.Option(help="Also write the ranking to this file, as JSON.")] = None,
) -> None:
    """Rank the candidate policies of a run by what its held-out records say, with the risk of each choice.

    Who cannot be evaluated is left out. Of the others the highest estimates are kept (--keep) and,
    where the run has it, ordered by fitted Q evaluation: weights prune, a critic ranks.

    risk of none   share of resamples in which it gains nothing on the clinicians
    as chosen      the same, allowing for its choice among all; * marks who is supported, within --risk
    best of all    share of resamples in which none scores higher
    regret         mean over resamples of the highest score less its own
    true           where the truth is known: looked at afterwards, never for the ranking

    Example: posology select runs/demo-4cbdc8b5
    """
    from .select import choose, save
    from .show_select import show_choice

    choice = choose(run, estimator=estimator, keep=keep, risk=risk)
    show_choice(choice, Console())
    if json is not None:
        save(choice, json)


@app.command()
def watch(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    policy: Annotated[str, typer.Option(help="Whom to watch beside the clinician: a policy of the run's report.")],
    out: Annotated[Path | None, typer.Option(help="A .gif file, or .mp4 where ffmpeg is; else in RUN.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which patient.")] = 0,
    learned: Annotated[
        bool, typer.Option("--learned", help="In the learned simulator, even where the truth is known.")
    ] = False,
) -> None:
    """Animate one synthetic patient under the clinician and a policy, side by side, with the same chance for both.

    In the known truth where the run's patients are simulated, else in the learned simulator.

    Example: posology watch runs/demo-4cbdc8b5 --policy ppo
    """
    from .watch import watch as animate

    path = animate(run, policy, out=out, seed=seed, learned=learned, console=console)
    console.print(f"[bold green]animation:[/] {path}", highlight=False, soft_wrap=True)


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Which patients, by name (see `posology list`).")],
    patients: Annotated[int, typer.Option(min=1, help="How many.")],
    out: Annotated[Path, typer.Option(help="Folder for the MEDS dataset and truth.parquet; must not exist yet.")],
    seed: Annotated[int, typer.Option(help="Cohorts of different seeds share no patient.")] = 0,
    confounding: Annotated[float, typer.Option(min=0, help="How strongly doses follow recorded severity.")] = 1.0,
    hidden_confounding: Annotated[
        float, typer.Option(min=0, help="How strongly doses follow what the record does not show.")
    ] = 0.0,
) -> None:
    """Write a simulated cohort as a MEDS dataset, with its truth (propensities, hidden severity) beside it."""
    from .cohorts import write_cohort

    write_cohort(
        name, out, patients=patients, seed=seed, confounding=confounding, hidden_confounding=hidden_confounding
    )
    console.print(f"[bold green]cohort:[/] {out}", highlight=False, soft_wrap=True)


@app.command()
def encode(
    images: Annotated[Path, typer.Argument(help="A folder of images, one file, or a table: subject_id, time, path.")],
    out: Annotated[Path, typer.Option(help="Table to write, .csv or .parquet; a contact sheet and events beside it.")],
    encoder: Annotated[Path | None, typer.Option(help="Folder of an encoder; else the one shipped.")] = None,
    spacing: Annotated[
        tuple[float, float, float] | None, typer.Option(help="z, y and x in mm, of PNG and NPY files.")
    ] = None,
) -> None:
    """Read lesions in CT images: mask, volume and diameter with their predicted spread, and an embedding.

    Where IMAGES is a table, the readings are also written as MEDS events, which a task reads like any feature.
    """
    from ..patient_models.imaging.encoder import load_encoder
    from ..patient_models.imaging.shipped import SHIPPED
    from .encode import images_in, read_images, write_readings

    paths, index = images_in(images)
    read = read_images(paths, load_encoder(encoder or SHIPPED), spacing=spacing)
    console.print(f"{len(read.rows)} images read, {len(read.unreadable)} left out")
    for path in write_readings(read, out, index):
        console.print(f"[bold green]written:[/] {path}", highlight=False, soft_wrap=True)


@app.command("list")
def list_all() -> None:
    """List what is here: configs, tasks, environments, patient models, agents, estimators."""
    from .catalogue import catalogue

    out = Console()
    for title, names in catalogue().items():
        out.print(f"[bold]{title}[/]")
        for entry, description in names:
            out.print(f"  {entry:<45} [dim]{description}[/]", highlight=False)
