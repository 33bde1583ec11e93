"""Splits, fingerprints, saving and tables of trajectories."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from posology.contracts import Trajectories
from posology.trajectories.batches import concatenate
from posology.trajectories.convert import to_frame
from posology.trajectories.fingerprint import fingerprint
from posology.trajectories.save import load_trajectories, save_trajectories
from posology.trajectories.spec_json import spec_from_json, spec_to_json
from posology.trajectories.split import SPLITS, split, split_of
from posology.trajectories.task_file import load_task


@pytest.fixture(scope="module")
def stays(small_task, invent) -> Trajectories:
    return invent(small_task, 300, 0)


def test_splits_are_by_patient_and_cover_everyone(stays) -> None:
    twice = concatenate([stays, stays])
    parts = split(twice, "salt")
    assert list(parts) == list(SPLITS) and sum(map(len, parts.values())) == 600
    subjects = [set(part.subject.tolist()) for part in parts.values()]
    assert sum(map(len, subjects)) == 300 and not subjects[0] & subjects[1] and not subjects[1] & subjects[2]
    for name, part in parts.items():
        assert all(split_of(subject, "salt") == name for subject in part.subject.tolist())


def test_splits_do_not_move_when_patients_are_added(stays) -> None:
    few = split(stays.rows(torch.arange(0, 300, 7)), "a")
    for name, part in split(stays, "a").items():
        assert set(few[name].subject.tolist()) <= set(part.subject.tolist())


def test_splits_have_their_shares_and_depend_on_the_salt() -> None:
    names = np.array([split_of(subject, "s") for subject in range(20_000)])
    for name, share in SPLITS.items():
        assert abs((names == name).mean() - share) < 4 * np.sqrt(share * (1 - share) / 20_000)
    assert (names != [split_of(subject, "t") for subject in range(20_000)]).mean() > 0.4
    assert split_of(10000032, "posology") == split_of(10000032, "posology")
    assert [split_of(s, "") for s in (0, 1, 2, 3, 4)] == ["train", "train", "train", "tuning", "held_out"]


def test_fingerprints_tell_cohorts_apart_but_not_padding(stays) -> None:
    short = stays.rows((stays.length < 3).nonzero()[:, 0])
    cut = short.replace(
        vitals=short.vitals[:, :3], seen=short.seen[:, :3], age=short.age[:, :3],
        dose=short.dose[:, :2], hours=short.hours[:, :2], mask=short.mask[:, :2],
    )  # fmt: skip
    assert fingerprint(cut) == fingerprint(short) != fingerprint(stays)
    assert len(fingerprint(stays)) == 64
    zero, negative = (stays.replace(context=stays.context * 0 * sign) for sign in (1, -1))
    assert fingerprint(zero) == fingerprint(negative) and bool(torch.signbit(negative.context).all())
    for name in ("vitals", "dose", "context"):
        other = getattr(stays, name).clone()
        other.view(-1)[0] += 0.001
        assert fingerprint(stays.replace(**{name: other})) != fingerprint(stays)
    assert fingerprint(stays.replace(outcome=(stays.outcome + 1) % 3)) != fingerprint(stays)


def test_saved_trajectories_load_the_same(stays, tmp_path) -> None:
    loaded = load_trajectories(save_trajectories(stays, tmp_path / "kept"))
    assert loaded.spec == stays.spec
    for name, value in vars(stays).items():
        if isinstance(value, torch.Tensor):
            assert value.dtype == getattr(loaded, name).dtype and torch.equal(value, getattr(loaded, name))
    assert sorted(f.name for f in (tmp_path / "kept").iterdir()) == ["spec.json", "trajectories.safetensors"]
    with pytest.raises(FileExistsError):
        save_trajectories(stays, tmp_path / "kept")
    (tmp_path / "kept" / "spec.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"spec.json is missing"):
        load_trajectories(tmp_path / "kept")


def test_a_spec_survives_json() -> None:
    for name in ("sepsis", "sepsis_simulated"):
        spec = load_task(name).spec
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_a_table_has_a_row_per_observed_state(stays) -> None:
    frame = to_frame(stays)
    assert len(frame) == int(stays.length.sum() + (stays.outcome == 0).sum())
    assert frame.pressor.notna().sum() == int(stays.mask.sum())
    one = frame[frame.stay == 5]
    np.testing.assert_array_equal(one["mean"], stays.vitals[5, : len(one), 1])
    np.testing.assert_allclose(one.time.iloc[0], 0)
    assert one.subject.unique().tolist() == [int(stays.subject[5])]
