"""The patient seen through scans: the same course, with the encoder's token in place of the radiologist's sizes."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from posology.envs import treatment
from posology.patient_models.imaging.encoder import Encoder
from posology.patient_models.imaging.unet import UNet, UNetConfig
from posology.patient_models.simulate import follow
from posology.patient_models.tumor import Tumor
from posology.patient_models.tumor_imaging import TumorImaging
from posology.patient_models.tumor_imaging_spec import EMBEDDING, IMAGING_SPEC
from posology.patient_models.tumor_memory import recall
from posology.patient_models.tumor_rule import TumorRule
from posology.patient_models.tumor_spec import SPEC, WEEK
from posology.trajectories.noise import ADMISSION, normals, seeds
from stable_baselines3 import PPO

NAME = "posology/Tumor-v0"
IMAGES = [column for column, feature in enumerate(IMAGING_SPEC.features) if feature.source == "image"]


@pytest.fixture(scope="module")
def model() -> TumorImaging:
    return TumorImaging(Tumor(scan_weeks=2))


def test_the_course_is_that_of_the_patient_beneath(model) -> None:
    plain = follow(model.patient, _Half(), 12, decisions=6, hours=WEEK)
    seen = follow(model, _Half(), 12, decisions=6, hours=WEEK)
    for a, b in zip(plain.states, seen.states, strict=True):
        assert torch.equal(a.memory, b.memory) and torch.equal(a.outcome, b.outcome)
        assert torch.equal(a.vitals[:, [0, 3]], b.vitals[:, [0, 3]])
        assert (b.seen[:, IMAGES] == a.seen[:, 1:2]).all() and (b.age[:, IMAGES] == a.age[:, 1:2]).all()


def test_the_token_says_how_large_the_tumour_is(model) -> None:
    course = follow(model, TumorRule(), 200, decisions=2, hours=WEEK)
    first, last = course.states[0], course.states[2]
    for state in (first, last):
        truth, read = recall(state.memory, "volume"), state.vitals[:, 1]
        large = truth > 5
        assert (read[large] / truth[large]).log().abs().median() < 0.25
    assert len(IMAGES) == 3 + EMBEDDING and last.vitals[:, IMAGES].isfinite().all()


def test_a_row_does_not_depend_on_who_else_was_scanned() -> None:
    model = TumorImaging(Tumor(scan_weeks=1, missed=0.5))

    def course(first: int, count: int) -> torch.Tensor:
        rows = seeds(first, count)
        zero = torch.zeros_like(rows)
        state = model.admit(None, normals(rows, zero, zero, model.admit_noise_dim, stream=ADMISSION))
        for t in range(3):
            noise = normals(rows, zero, zero + t, model.noise_dim)
            state = model.step(state, torch.zeros(count, 2), torch.full((count,), WEEK), noise)
        return state.vitals

    assert torch.allclose(course(0, 9)[4:5], course(4, 1), rtol=1e-3, atol=1e-3)


def test_another_encoder_must_fit() -> None:
    with pytest.raises(ValueError, match="embedding"):
        TumorImaging(Tumor(), Encoder(UNet(UNetConfig(embedding=3))))


def test_first_features_are_those_of_the_plain_patient() -> None:
    for ours, theirs in zip(IMAGING_SPEC.features, SPEC.features, strict=False):
        assert dataclasses.replace(ours, source="record") == theirs
    core = treatment(NAME, imaging=True)
    assert core.spec == IMAGING_SPEC and len(core.constraints) == 2


def test_pictures_as_observations() -> None:
    env = gymnasium.make(NAME, observation="image", horizon=4)
    check_env(env.unwrapped, skip_render_check=True)
    first, _ = env.reset(seed=1)
    second = env.step(0)[0]
    assert first["image"].shape == (1, 96, 96) and first["image"].dtype == np.uint8
    assert np.array_equal(first["image"], second["image"])  # the next scan is two weeks away
    assert (first["age"].item(), second["age"].item()) == (0.0, 7.0)
    assert np.array_equal(env.reset(seed=1)[0]["image"], first["image"])
    with pytest.raises(ValueError, match="scans"):
        gymnasium.make("posology/Sepsis-v0", observation="image")


def test_stable_baselines_trains_on_pictures() -> None:
    env = gymnasium.make(NAME, observation="image", horizon=4)
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, n_epochs=1, device="cpu", seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(8)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))


class _Half:
    """Half a unit, and no rays."""

    noise_dim = 0

    def dose(self, state, noise):
        return torch.tensor([0.5, 0.0]).expand(len(state), -1)

    def log_prob(self, state, dose):
        return torch.zeros(len(dose))
