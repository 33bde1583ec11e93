"""An animation of one synthetic patient, treated by the clinician and by a policy of a finished run, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from ..agents.baselines import most_frequent, no_treatment, random_policy
from ..agents.save import load_any_policy, load_policy
from ..agents.table import LABELS
from ..contracts import Decisions, DiscretePolicy, Policy, Progress, Treatment
from ..envs import decisions
from ..envs import render_style as style
from ..envs.actions import Action
from ..envs.render_course import Course, admitted, followed
from ..evaluation.report import REPORT_FILE, Report, load_report
from ..patient_models import load_model
from ..trajectories.actors import actor_of
from ..trajectories.noise import ACTOR, normals, seeds
from ..trajectories.save import load_trajectories
from ..trajectories.split import split
from ..trajectories.task_file import load_task
from ..trajectories.ward import Ward, decide, open_ward
from .config import ConfigError, ExperimentConfig, SimulatedCohort, load_config
from .ensembles import simulator_of
from .judged import Actor, Judged, policies_to_judge
from .learners import acts_by
from .plan import learner_stage, offline_stage
from .progress import bar
from .runner import FIRST_SIMULATED, Known, known_truth
from .sources import source

if TYPE_CHECKING:
    from ..envs.render import Frame

CLINICIAN = "clinician"
BASELINES: dict[str, Callable[[Decisions, int], DiscretePolicy]] = {
    "random": lambda logged, actions: random_policy(actions),
    "none": lambda logged, actions: no_treatment(actions),
    "most_frequent": most_frequent,
}
_DECISIONS_PER_SECOND = 2.0
_HOLD = 8  # frames for which the end stays


@dataclass(frozen=True)
class Scene:
    """A policy beside the clinician, and the world in which both treat."""

    treatments: tuple[Treatment, Treatment]  # the same world, as the clinician and as the policy act in it
    world: str
    actors: tuple[Actor, Actor]  # the clinician, the policy
    names: tuple[str, str]
    first: int  # seed of patient 0


def watch(
    folder: Path,
    policy: str,
    *,
    out: Path | None = None,
    seed: int = 0,
    learned: bool = False,
    console: Console | None = None,
) -> Path:
    """Write the animation (.gif, or .mp4 where ffmpeg is) and return its path, by default in the run's folder.

    Patient `seed` is one of those on whom the run judged its policies; both treatments meet the same patient and the
    same chance (common random numbers), in the known truth, or, where there is none or with `learned`, in the learned
    simulator. ConfigError where the run is missing or unfinished or has no such policy, ValueError for another kind
    of file.
    """
    from ..envs.render import movie_writer, write_animation  # matplotlib takes a second

    path = out or folder / f"watch_{policy}_{seed}.gif"
    movie_writer(path, _DECISIONS_PER_SECOND)  # complains before the work, not after
    if seed < 0:
        raise ValueError(f"seed: expected patient 0 or later, got {seed}")
    scene = scene_of(folder, policy, learned=learned)
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = zip(scene.treatments, scene.actors, strict=True)
    courses = [follow(treatment, actor, scene.first + seed) for treatment, actor in pairs]
    with bar(console or Console(quiet=True), "drawing") as progress:
        frames = _frames(courses, f"Patient {seed} in the {scene.world}", scene.names, progress)
        write_animation(frames, style.PAIR, path, _DECISIONS_PER_SECOND)
    return path


@torch.no_grad()
def follow(treatment: Treatment, who: Actor, seed: int) -> Course:
    """The whole stay of the patient of that seed under a policy, clinician or blend: as `rollout` has it."""
    actor = actor_of(who)
    ward = open_ward(treatment, seeds(seed, 1))
    course = admitted(treatment, ward.state)
    while not course.ended:
        noise = normals(ward.seed, ward.admission, ward.decision, actor.noise_dim, stream=ACTOR)
        action = actor.act(treatment, ward.state, treatment.observe(ward.state), noise)
        step = decide(treatment, ward, action)
        course = followed(course, treatment, ward.state, step)
        ward = Ward(ward.seed, ward.admission, ward.decision + 1, step.state)
    return course


def scene_of(folder: Path, policy: str, *, learned: bool = False) -> Scene:
    """What is watched: a policy of the run in `folder`, and the clinician; ConfigError as for `watch`."""
    run = _Finished.open(folder)
    if policy not in run.known:
        raise ConfigError(f"no policy {policy!r} to watch beside the clinician; known: {', '.join(run.known)}")
    known = None if learned else known_truth(run.config)
    behavior = load_policy(folder / "behavior" / "policy")
    one = _judged(run, policy, behavior, known)
    first, told = FIRST_SIMULATED + run.config.seed * 10**9, one.label
    if known is not None and one.true is not None:
        doses = known.doses if acts_by(one.true) == "continuous" else None
        places = known.treatment, doses or known.treatment
        return Scene(places, "known truth", (known.clinician, one.true), ("Clinician", told), first)
    if one.simulated is None:
        raise ConfigError(f"{policy!r} acts where the truth is known, not in the learned simulator")
    places = run.simulator(), run.simulator(action=acts_by(one.simulated))
    return Scene(places, "learned simulator", (behavior, one.simulated), ("Fitted clinician", told), first)


@dataclass(frozen=True)
class _Finished:
    """A run folder with all that is watched in it."""

    folder: Path
    config: ExperimentConfig
    report: Report

    @classmethod
    def open(cls, folder: Path) -> _Finished:
        """ConfigError where there is no run, or none that is finished."""
        if not (folder / "config.yaml").is_file():
            raise ConfigError(f"no run in {folder}: expected the folder that `posology run` names, with config.yaml")
        config = load_config(folder / "config.yaml")
        needed = [
            REPORT_FILE,
            *(f"{stage}/stage.json" for stage in ("simulator", "behavior", learner_stage(config, 0))),
        ]
        missing = [name for name in needed if not (folder / name).is_file()]
        if missing:
            raise ConfigError(f"the run in {folder} is not finished: {missing[0]} is missing; run it again to go on")
        return cls(folder, config, load_report(folder))

    @property
    def trained(self) -> dict[str, float]:
        """Penalty by stage, of the policies under every penalty tried."""
        chosen = self.report.selection
        return {learner_stage(self.config, c.penalty): c.penalty for c in chosen.candidates} if chosen else {}

    @property
    def known(self) -> list[str]:
        """Policies that can be watched."""
        return [*(name for name in self.report.policies if name != CLINICIAN), *self.trained]

    @property
    def chosen(self) -> str:
        """The stage of the penalised policy."""
        selection = self.report.selection
        penalties = [c.penalty for c in selection.candidates if c.chosen] if selection else []
        return learner_stage(self.config, penalties[0] if penalties else 0)

    def policy(self, stage: str) -> Policy:
        """The policy of a stage."""
        return load_any_policy(self.folder / stage / "policy")

    def simulator(self, action: Action = "levels") -> Treatment:
        """The learned environment, without a penalty: what happens to a patient does not depend on it."""
        cohort = self.config.cohort
        task = load_task(source(cohort.source).task if isinstance(cohort, SimulatedCohort) else cohort.task)
        return simulator_of(self.config, task, load_model(self.folder / "simulator" / "model"), action=action)


def _judged(run: _Finished, policy: str, behavior: DiscretePolicy, known: Known | None) -> Judged:
    """A policy of the run, as the run judged it; other baselines than the one asked for are left out."""
    baselines: dict[str, DiscretePolicy] = {}
    if policy in BASELINES:
        stays = load_trajectories(run.folder / "records" / "trajectories")
        train = split(stays, run.config.split_salt)["train"]
        baselines[policy] = BASELINES[policy](decisions(run.simulator(), train), stays.spec.actions)
    penalised = run.policy(policy if policy in run.trained else run.chosen)
    everyone = policies_to_judge(
        behavior,
        baselines,
        run.policy(learner_stage(run.config, 0)),
        penalised,
        run.config.blends,
        spec=run.simulator().spec,
        clinician=known.clinician if known else None,
        rules=known.rules if known else (),
        learner=run.config.learner,
        offline={name: run.policy(offline_stage(name)) for name in run.config.offline if name == policy},
    )
    judged = {one.name: one for one in everyone}
    if policy in run.trained:
        learner = run.config.learner
        return replace(judged[learner], label=f"{LABELS[learner]}, penalty {run.trained[policy]:g}")
    if policy not in judged:
        raise ConfigError(f"{policy!r} acts where the truth is known, not in the learned simulator")
    return judged[policy]


def _frames(courses: list[Course], title: str, names: tuple[str, str], progress: Progress) -> Iterator[Frame]:
    """One picture per decision; the last one stays for a while."""
    from ..envs.render_bedside import Bedside  # as matplotlib

    bedside = Bedside(courses, title=title, names=names, size=style.PAIR)
    last = max(course.decisions for course in courses)
    for n in range(last + 1):
        frame = bedside.draw([course.until(n) for course in courses], courses)
        progress((n + 1) / (last + 1), "drawing")
        yield frame
    for _ in range(_HOLD):
        yield frame
