"""The last picture in the bedside view: that of the state, in its place, with its age."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from posology.envs import render_style as style
from posology.envs import treatment
from posology.envs.render_bedside import Bedside
from posology.envs.render_course import admitted, followed
from posology.envs.render_layout import sheets
from posology.envs.render_picture import taken
from posology.trajectories.noise import seeds
from posology.trajectories.ward import Ward, decide, open_ward

NAME = "posology/SepsisImaging-v0"


@pytest.fixture(autouse=True)
def no_screen():
    """Nothing opens a window while testing."""
    plt.switch_backend("agg")


@pytest.fixture(scope="module")
def stay():
    """A course of some decisions with much fluid, and the states that it went through."""
    core = treatment(NAME)
    ward = open_ward(core, seeds(4, 1))
    course, states = admitted(core, ward.state), [ward.state]
    for _ in range(6):
        step = decide(core, ward, torch.tensor([22]))
        course = followed(course, core, ward.state, step)
        ward = Ward(ward.seed, ward.admission, ward.decision + 1, step.state)
        states.append(step.state)
    return core, course, states


def test_a_course_keeps_the_picture_of_every_state(stay):
    core, course, states = stay
    for row, state in enumerate(states):
        np.testing.assert_array_equal(course.pictures[row], core.patient.pictures(state)[0])
        assert course.picture_age[row] == core.patient.picture_age(state)
    early = course.until(2)
    assert len(early.pictures) == len(early.picture_age) == 3
    plain = treatment("posology/Sepsis-v0")
    assert admitted(plain, open_ward(plain, seeds(4, 1)).state).pictures is None


def test_the_picture_is_drawn_where_it_belongs(stay):
    _, course, _ = stay
    bedside = Bedside([course], title="x")
    for shown in (course.until(0), course):
        frame = bedside.draw([shown]).astype(float)
        box = sheets(style.SIZE, 1, len(course.spec.features) - 4, 2, picture=True)[0].picture
        at = (np.arange(96) + 0.5) / 96
        rows, columns = (box.top + at * box.height).astype(int), (box.left + at * box.width).astype(int)
        drawn = frame[rows[:, None], columns[None, :]].mean(2)
        assert np.abs(drawn - shown.pictures[-1]).mean() < 8
    assert np.abs(course.pictures[0].astype(float) - course.pictures[-1]).mean() > 8  # so the test could fail


@pytest.mark.parametrize("features", [1, 4, 13, 20])
@pytest.mark.parametrize(("size", "count"), [(style.SIZE, 1), (style.PAIR, 2)])
def test_panels_leave_room_for_the_picture(features, size, count):
    for place in sheets(size, count, features, 2, picture=True):
        box = place.picture
        assert box.width == box.height > 100 and box.top + box.height < place.doses[0].top
        assert all(vital.left + vital.width < box.left for vital in place.vitals)
        assert len(place.vitals) == features


def test_how_long_ago_it_was_taken():
    assert [taken(h, 72.0) for h in (0.0, 8.0)] == ["now", "8 h ago"]
    assert taken(504.0, 4368.0) == "21 days ago"
