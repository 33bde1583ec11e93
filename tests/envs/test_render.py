"""The bedside view: what is drawn is what happened, and a picture does not depend on those drawn before it."""

import logging
import subprocess
import sys
import time

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from posology.contracts import DIED, Feature
from posology.envs import ENVS, render_screen, treatment
from posology.envs import render_style as style
from posology.envs.constraints import sepsis_limits
from posology.envs.dose_treatment import DoseTreatment
from posology.envs.gym_env import PatientEnv
from posology.envs.render import Canvas, add_name, movie_writer, write_animation
from posology.envs.render_bedside import Bedside
from posology.envs.render_course import admitted, followed
from posology.envs.render_layout import Box, dose_top, sheets, time_ticks, value_limits, value_ticks
from posology.trajectories.noise import seeds
from posology.trajectories.rollout import rollout
from posology.trajectories.ward import Ward, decide, open_ward

CONTINUOUS = {"action": "continuous"}


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    """Nothing opens a window while testing."""
    plt.switch_backend("agg")


class Always:
    """One action."""

    noise_dim = 0

    def __init__(self, action):
        self.action = action

    def act(self, obs, allowed, noise):
        return torch.full((len(obs),), self.action)

    def log_prob(self, obs, allowed, action):
        return torch.zeros(len(action))


def course_of(core, seed, action=13):
    """A whole stay under one action, and the states that it went through."""
    ward = open_ward(core, seeds(seed, 1))
    course, states = admitted(core, ward.state), [ward.state]
    while not course.ended:
        step = decide(core, ward, torch.tensor([action]))
        course = followed(course, core, ward.state, step)
        ward = Ward(ward.seed, ward.admission, ward.decision + 1, step.state)
        states.append(step.state)
    return course, states


@pytest.fixture(scope="module")
def sepsis():
    return treatment("posology/Sepsis-v0")


def test_environments_pass_the_render_checks_of_gymnasium(sepsis):
    env = gymnasium.make("posology/Sepsis-v0", render_mode="rgb_array")
    check_env(env.unwrapped, skip_render_check=False)
    frame = env.unwrapped.render()
    assert frame.shape == (700, 1000, 3) and frame.dtype == np.uint8
    with pytest.raises(ValueError, match="render_mode: expected one of human, rgb_array"):
        PatientEnv(sepsis, render_mode="ascii")
    with pytest.raises(RuntimeError, match="call reset"):
        PatientEnv(sepsis, render_mode="rgb_array").render()
    silent = PatientEnv(sepsis)
    silent.reset(seed=0)
    assert silent.render() is None


def test_a_picture_is_the_same_whatever_was_drawn_before(sepsis):
    env = PatientEnv(sepsis, render_mode="rgb_array")
    frames = []
    for seed in (2, 1):
        env.reset(seed=seed)
        env.render()
        for action in (0, 24, 6, 13):
            if env.step(action)[2]:
                break
            frames.append(env.render())
    again = PatientEnv(sepsis, render_mode="rgb_array")
    again.reset(seed=1)
    for action in (0, 24, 6, 13)[: len(frames) - 4]:
        again.step(action)
    np.testing.assert_array_equal(frames[-1], again.render())
    assert all(not np.array_equal(a, b) for a, b in zip(frames[:-1], frames[1:], strict=True))
    copy = frames[-1].copy()
    frames[-1][:] = 0
    np.testing.assert_array_equal(env.render(), copy)


def test_at_least_five_frames_a_second(sepsis):
    env = PatientEnv(sepsis, render_mode="rgb_array")
    env.reset(seed=3)
    env.render()
    seconds = []
    for _ in range(5):
        env.step(7)
        start = time.process_time()
        env.render()
        seconds.append(time.process_time() - start)
    assert np.median(seconds) < 0.2


@pytest.mark.parametrize("seed", range(6))
def test_a_course_is_what_a_rollout_has(toy, seed):
    core = DoseTreatment(toy, sepsis_limits(toy.spec), horizon=7)
    course, _ = course_of(core, seed, action=24)
    done = rollout(core, Always(24), 1, seed=seed)
    stay, length = done.trajectories, int(done.trajectories.length[0])
    observed = length + 1 if course.truncated else length
    assert course.decisions == length and course.outcome == int(stay.outcome[0])
    np.testing.assert_array_equal(course.vitals[:observed], stay.vitals[0, :observed])
    np.testing.assert_array_equal(course.seen[:observed], stay.seen[0, :observed])
    assert not course.known[observed:].any(), "nothing is known of the state in which a stay has ended"
    np.testing.assert_array_equal(course.dose, stay.dose[0, :length])
    np.testing.assert_array_equal(course.exceeded, (done.costs[0, :length] > 0).numpy()[:, [1, 0]])
    assert course.exceeded[1:].all() and not course.exceeded[0, 0], "the fluid limit begins after the first interval"


def test_what_was_never_measured_is_not_known(toy):
    core = DoseTreatment(toy, horizon=8)
    carried = [course for course in (course_of(core, s)[0] for s in range(12)) if course.truncated]
    assert carried
    for course in carried:
        for d, feature in enumerate(toy.spec.features):
            ages = []
            for t, seen in enumerate(course.seen[:, d]):
                ages.append(0.0 if seen else ages[-1] + 4)
                assert course.known[t, d] == (ages[-1] < feature.max_age)


def test_an_earlier_view_of_a_course_is_what_was_seen_then(lstm):
    core = treatment("posology/Learned-v0", model=lstm, horizon=5)
    course = next(c for c in (course_of(core, s)[0] for s in range(30)) if c.decisions >= 3)
    early, bedside = course.until(2), None
    assert early.decisions == 2 and not early.ended and early.time[-1] == 8.0
    assert early.status == "hour 8 of 20"
    bedside = Bedside([course], title="x")
    before = bedside.draw([early])
    bedside.draw([course])
    np.testing.assert_array_equal(bedside.draw([early]), before)
    assert course.until(99) is course


def test_the_expected_range_is_the_model_s_forecast(lstm):
    core = treatment("posology/Learned-v0", model=lstm, horizon=4)
    course, states = next((c, s) for c, s in (course_of(core, seed) for seed in range(30)) if c.truncated)
    mean, sd, *_ = lstm.forecast(states[1], torch.tensor(course.dose[1:2]).float(), torch.tensor([4.0]))
    low, high = (lstm.setting.layout.vitals(mean + side * style.SPREAD * sd)[0] for side in (-1, 1))
    np.testing.assert_allclose(course.expected[2], torch.stack([low, high]), rtol=1e-4)
    assert np.isnan(course.expected[0]).all() and np.isfinite(course.expected[1:]).all()
    assert np.isfinite(course.ahead[:-1]).all() and np.isnan(course.ahead[-1]).all()


def test_a_model_without_forecasts_draws_none(toy):
    course, _ = course_of(DoseTreatment(toy, horizon=3), 0)
    assert not course.forecasts and np.isnan(course.ahead).all()


def test_death_is_named(toy):
    dead = next(c for c in (course_of(DoseTreatment(toy), s)[0] for s in range(60)) if c.outcome == DIED)
    assert dead.status == f"died by hour {dead.time[-1]:g}"
    assert Bedside([dead], title="x").draw([dead]).shape == (700, 1000, 3)


def test_a_window_shows_every_state(toy, monkeypatch):
    shown = []

    class FakeWindow:
        def __init__(self, size, name):
            shown.append(size)

        def show(self, frame):
            shown.append(frame)

        def close(self):
            shown.append("closed")

    monkeypatch.setattr("posology.envs.render.Window", FakeWindow)
    env = PatientEnv(DoseTreatment(toy, horizon=3), render_mode="human")
    env.reset(seed=1)
    steps = 0
    over = False
    while not over:
        over = any(env.step(3)[2:4])
        steps += 1
    assert env.render() is None
    env.close()
    assert shown[0] == style.SIZE and shown[-1] == "closed"
    assert len(shown) == 2 + 1 + steps and all(f.shape == (700, 1000, 3) for f in shown[1:-1])


def test_without_a_screen_the_stay_goes_on_and_says_so_once(toy, caplog):
    env = PatientEnv(DoseTreatment(toy), render_mode="human")
    with caplog.at_level(logging.WARNING, logger=render_screen.__name__):
        env.reset(seed=1)
        env.reset(seed=2)
    env.close()
    assert [r.message for r in caplog.records].count(caplog.records[0].message) == len(caplog.records) == 1
    assert "rgb_array" in caplog.records[0].message


@pytest.mark.parametrize("features", [1, 2, 3, 7, 12, 20, 31, 60])
@pytest.mark.parametrize(("size", "count"), [(style.SIZE, 1), (style.PAIR, 2)])
def test_panels_lie_within_the_figure_and_apart(features, size, count):
    places = sheets(size, count, features, 2)
    boxes = [box for place in places for box in (*place.vitals, *place.doses)]
    for box in boxes:
        assert box.left >= 0 and box.top >= 60 and box.width > 60 and box.height > 25
        assert box.left + box.width <= size[0] and box.top + box.height <= size[1] - 34
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            beside = a.left + a.width <= b.left or b.left + b.width <= a.left
            assert beside or a.top + a.height <= b.top or b.top + b.height <= a.top
    assert features > 31 or len(places[0].vitals) == features


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_axes_hold_the_reference_range_and_every_value(scale):
    feature = Feature("x", "mmol/L", 0.1, 400.0, (2.0, 8.0), scale=scale)
    for values in ([], [0.1], [5.0], [400.0], [0.1, 31.7, 400.0]):
        low, high = value_limits(feature, np.array(values))
        assert low < 2.0 and high > 8.0 and all(low < v < high for v in values)
        ticks = value_ticks(feature, (low, high), 4)
        assert 1 <= len(ticks) <= 6 and all(low <= t <= high for t, _ in ticks)
    assert value_limits(feature, np.array([5.0])) == value_limits(feature, np.array([4.0])), "axes rarely move"


def test_axes_of_categories_drugs_and_hours(toy):
    rhythm = Feature("rhythm", "", 0, 2, (0, 2), scale="category", levels=("sinus", "flutter", "fibrillation"))
    assert value_limits(rhythm, np.array([1.0])) == (-0.5, 2.5)
    assert [name for _, name in value_ticks(rhythm, (-0.5, 2.5), 2)] == ["sinus", "flutter", "fibrillation"]
    assert dose_top(toy.spec.drugs[1], [0.2], np.array([0.5])) > 0.5
    assert dose_top(toy.spec.drugs[1], [0.2], np.array([])) > 0.3
    assert time_ticks(72.0) == [(0, "0"), (24, "24"), (48, "48"), (72, "72 h")]
    assert [text for _, text in time_ticks(24.0)] == ["0", "6", "12", "18", "24 h"]
    assert time_ticks(2160.0)[-1] == (84 * 24, "84 d") and len(time_ticks(24.0 * 365)) <= 6
    assert [text for _, text in time_ticks(72.0, 100.0)] == ["0", "", "", "72 h"]


def test_long_stays_are_told_in_days():
    assert style.moment(16.0, 72.0) == "hour 16 of 72" and style.moment(960.0, 2160.0) == "day 40 of 90"


def test_a_narrow_panel_keeps_its_name_before_its_unit():
    axes = [Canvas((1000, 700)).axes(Box(60, 60, width, 60), 72.0, hours=True) for width in (400, 95)]
    names = ["Input of the last four hours", "input 4h"]
    assert [add_name(each, names, "SD of log") for each in axes] == ["SD of log", ""]
    assert [each.texts[0].get_text() for each in axes] == ["Input of the last four hours", "input 4h"]


@pytest.mark.parametrize(
    ("value", "text"), [(1250.0, "1250"), (72.04, "72"), (8.43, "8.43"), (0.07, "0.07"), (-3.2, "−3.2"), (-1e-9, "0")]
)
def test_numbers_read_plainly(value, text):
    assert style.number(value) == text


def test_an_animation_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    frames = [np.full((40, 60, 3), shade, np.uint8) for shade in (0, 120, 255)]
    write_animation(frames, (60, 40), tmp_path / "a.gif", 2.0)
    assert (tmp_path / "a.gif").read_bytes()[:6] == b"GIF89a"

    def breaks():
        yield frames[0]
        raise KeyboardInterrupt

    for path in (tmp_path / "a.gif", tmp_path / "b.gif"):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(KeyboardInterrupt):
            write_animation(breaks(), (60, 40), path, 2.0)
        assert (path.read_bytes() if path.exists() else None) == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    with pytest.raises(ValueError, match="a .gif or .mp4 file, got .txt"):
        movie_writer(tmp_path / "a.txt", 2.0)
    monkeypatch.setattr("posology.envs.render.FFMpegWriter.isAvailable", lambda: False)
    with pytest.raises(ValueError, match="ffmpeg.*choose a .gif"):
        movie_writer(tmp_path / "a.mp4", 2.0)


PLAIN = """
import sys, gymnasium, posology
env = gymnasium.make("posology/Sepsis-v0")
env.reset(seed=0), env.step(3), env.render
assert "matplotlib" not in sys.modules
"""


def test_matplotlib_waits_for_the_first_picture():
    subprocess.run([sys.executable, "-c", PLAIN], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in ENVS if "Learned" not in name), ("posology/Warfarin-v0", CONTINUOUS)]
)
def test_every_environment_can_be_watched(name, options):
    env = gymnasium.make(name, render_mode="rgb_array", **options)
    env.action_space.seed(0)
    env.reset(seed=1)
    first = env.render()
    env.step(env.action_space.sample())
    assert env.render().shape == (700, 1000, 3) and not np.array_equal(first, env.render())
    env.close()
