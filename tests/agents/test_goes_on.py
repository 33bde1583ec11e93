"""The fitted clinician and its imitation, interrupted anywhere, end with the very weights of an unbroken fit."""

import pytest
import torch
from posology.agents.behavior import BehaviorConfig, fit_behavior
from posology.agents.imitation import ImitationConfig, imitate
from posology.trajectories.checkpoint import NOWHERE, Checkpoint

EPOCHS, UPDATES = 6, 100


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture
def fits(make_logged, actions):
    train, tuning = (make_logged(n, seed, skill=0.8, steps=3) for n, seed in ((300, 0), (100, 1)))

    def behavior(**aids):
        config = BehaviorConfig(actions=actions, epochs=EPOCHS, hidden=(16,))
        return fit_behavior(train, tuning, config, seed=1, **aids)

    def imitation(**aids):
        return imitate(train, behavior(), ImitationConfig(updates=UPDATES, batch_size=64), seed=1, **aids)

    return {"behavior": behavior, "imitation": imitation}


@pytest.mark.parametrize(
    ("name", "share"), [("behavior", 0.3), ("behavior", 0.5), ("behavior", 0.8), ("imitation", 0.5)]
)
def test_goes_on_to_the_same_weights(fits, tmp_path, name, share):
    place, steps = Checkpoint(tmp_path / "learner.safetensors", every=0.0), []

    def killer(done, message):
        if done > share:
            raise KilledError

    with pytest.raises(KilledError):
        fits[name](checkpoint=place, progress=killer)
    again = fits[name](checkpoint=place, progress=lambda done, message: steps.append(done)).weights()
    straight = fits[name](checkpoint=NOWHERE).weights()
    assert set(again) == set(straight) and all(torch.equal(again[key], straight[key]) for key in straight)
    whole: list[float] = []
    fits[name](progress=lambda done, message: whole.append(done))
    assert len(steps) < len(whole), "nothing was done twice"
