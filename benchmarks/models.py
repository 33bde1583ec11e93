"""Patient models of a fixed size for timing; what they learned does not matter, what they compute does."""

from __future__ import annotations

import torch

from ..contracts import Drug, Feature, Spec, Trajectories
from ..patient_models.lstm import LSTMConfig, LSTMEnsemble, fit_lstm

FEATURES, HIDDEN, MEMBERS = 32, 64, 3


def learned_model(members: int = MEMBERS) -> LSTMEnsemble:
    """An LSTM ensemble of 32 features, two drugs of five levels and 64 units, after one epoch on made-up stays."""
    config = LSTMConfig(members=members, hidden=HIDDEN, epochs=1)
    return fit_lstm(made_up_stays(60, seed=1), made_up_stays(20, seed=2), config, seed=0)


def flops(model: LSTMEnsemble) -> float:
    """Floating-point operations of the matrix products of one patient's step: two per weight."""
    w = model.weights
    return 2.0 * sum(matrix.numel() for matrix in (w.input, w.recurrent, w.head_state, w.head_input))


def made_up_stays(stays: int, *, decisions: int = 6, seed: int = 0) -> Trajectories:
    """Random walks of every feature, half of them measured at a time, and an end by one of the two outcomes."""
    generator = torch.Generator().manual_seed(seed)
    features = tuple(Feature(f"feature {i}", "1", -100.0, 100.0, (-1.0, 1.0)) for i in range(FEATURES))
    drugs = tuple(Drug(name, "mg/h", 10.0, (0.0, 1.0, 2.0, 3.0, 4.0), (0.5, 1.5, 2.5, 3.5)) for name in ("a", "b"))
    shape = (stays, decisions + 1, FEATURES)
    dose = torch.randint(5, (stays, decisions, 2), generator=generator).float()
    return Trajectories(
        spec=Spec(features, drugs, (Feature("age", "years", 18.0, 120.0, (50.0, 80.0)),)),
        vitals=0.3 * torch.randn(shape, generator=generator).cumsum(1),
        seen=torch.rand(shape, generator=generator) < 0.5,
        age=torch.zeros(shape),
        context=65 + 10 * torch.randn(stays, 1, generator=generator),
        dose=dose,
        hours=torch.full((stays, decisions), 4.0),
        mask=torch.ones(stays, decisions, dtype=torch.bool),
        outcome=1 + (torch.rand(stays, generator=generator) < 0.3).long(),
        subject=torch.arange(stays),
        site=torch.zeros(stays, dtype=torch.int64),
    )
