"""An animation of one synthetic patient, treated by the clinician and by a policy of a finished run, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from ..agents.baselines import most_frequent, no_treatment, random_policy
from ..agents.save import load_policy
from ..contracts import DiscretePolicy, Treatment
from ..envs import decisions, treatment
from ..envs import render_style as style
from ..envs.render_course import Course, admitted, followed
from ..envs.ward import Ward, decide, open_ward
from ..evaluation.report import Report
from ..patient_models import load_model
from ..trajectories.actors import actor_of
from ..trajectories.noise import ACTOR, normals, seeds
from ..trajectories.save import load_trajectories
from ..trajectories.split import split
from ..trajectories.task_file import load_task
from .cohorts import source
from .config import ConfigError, ExperimentConfig, SimulatedCohort, load_config
from .judged import Actor, Judged, policies_to_judge
from .progress import bar
from .runner import FIRST_SIMULATED, known_truth

CLINICIAN = "clinician"
_DECISIONS_PER_SECOND = 2.0
_HOLD = 8  # frames for which the end stays


@dataclass(frozen=True)
class Scene:
    """A policy beside the clinician, and the world in which both treat."""

    treatment: Treatment
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
    courses = [follow(scene.treatment, actor, scene.first + seed) for actor in scene.actors]
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
    """What is watched: a policy of the run in `folder` and the clinician; ConfigError as for `watch`."""
    config, report = _finished(folder)
    known = [name for name in report.policies if name != CLINICIAN]
    trained = {f"ppo_{c.penalty:g}": c.penalty for c in report.selection.candidates} if report.selection else {}
    if policy not in [*known, *trained]:
        raise ConfigError(f"no policy {policy!r} to watch beside the clinician; known: {', '.join([*known, *trained])}")
    simulator = _simulator(config, folder)
    truth, clinician, rule = (None, None, None) if learned else known_truth(config)
    behavior = load_policy(folder / "behavior" / "policy")
    baselines: dict[str, DiscretePolicy] = {
        "random": random_policy(simulator.spec.actions),
        "none": no_treatment(simulator.spec.actions),
    }
    if policy == "most_frequent":
        stays = load_trajectories(folder / "records" / "trajectories")
        train = split(stays, config.split_salt)["train"]
        baselines[policy] = most_frequent(decisions(simulator, train), simulator.spec.actions)
    chosen = next((name for name, c in zip(trained, _candidates(report), strict=True) if c), "ppo_0")
    ours = load_policy(folder / (policy if policy in trained else chosen) / "policy")
    free = load_policy(folder / "ppo_0" / "policy")
    everyone = policies_to_judge(behavior, baselines, free, ours, config.blends, clinician=clinician, rule=rule)
    judged = {one.name: one for one in everyone}
    one = judged["ppo" if policy in trained else policy] if policy != "observable_rule" or rule else None
    actor = None if one is None else one.simulated if truth is None else one.true
    if one is None or actor is None:
        raise ConfigError(f"{policy!r} acts in the known truth only: watch it there")
    label = f"PPO, penalty {trained[policy]:g}" if policy in trained else one.label
    if truth is None:
        return Scene(simulator, "learned simulator", (behavior, actor), ("Fitted clinician", label), _first(config))
    assert clinician is not None
    return Scene(truth, "known truth", (clinician, actor), ("Clinician", label), _first(config))
