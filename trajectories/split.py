"""Splits by patient that never move when patients are added: each patient's own hash decides."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from ..contracts import Trajectories

SPLITS = {"train": 0.60, "tuning": 0.15, "held_out": 0.25}  # names as in MEDS, and shares


def split_of(subject: int, salt: str = "") -> str:
    """The split of a patient: the SHA-256 of "salt:subject" as a number in 0..1, held against cumulated shares."""
    digest = hashlib.sha256(f"{salt}:{subject}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for name, share in SPLITS.items():
        edge += share
        if place < edge:
            return name
    return name


def split(trajectories: Trajectories, salt: str = "") -> dict[str, Trajectories]:
    """The stays of each split; all stays of a patient are in the same one, and a small cohort may leave one empty."""
    subjects, row = np.unique(trajectories.subject.cpu().numpy(), return_inverse=True)
    names = [split_of(subject, salt) for subject in subjects.tolist()]
    number = np.array([list(SPLITS).index(name) for name in names], np.int64)[row]
    device = trajectories.subject.device
    return {
        name: trajectories.rows(torch.from_numpy(np.flatnonzero(number == i)).to(device))
        for i, name in enumerate(SPLITS)
    }
