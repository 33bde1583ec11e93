"""LSTM cells of all members, laid out for stepping many patients: one product for what all members read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Weights:
    """Trained weights of K members; the four gates in the order input, forget, cell, output (G = 4 H columns)."""

    input: Tensor  # (K, I, G)
    recurrent: Tensor  # (K, H, G)
    bias: Tensor  # (K, G)
    head_state: Tensor  # (K, H, P)
    head_input: Tensor  # (K, I, P)
    head_bias: Tensor  # (K, P)


@dataclass(frozen=True)
class Cells:
    """The same weights fused: tanh(x) = 2 sigmoid(2 x) - 1, its inner factor folded into the cell gate's columns."""

    read: Tensor  # (I, K (G + P)) gates of all members, then heads of all members
    bias: Tensor  # (K (G + P),)
    recurrent: tuple[Tensor, ...]  # K times (H, G)
    head: tuple[Tensor, ...]  # K times (H, P)

    @classmethod
    def of(cls, weights: Weights, device: torch.device) -> Self:
        """The fused weights on `device`."""
        hidden = weights.recurrent.shape[1]
        fold = torch.ones(4 * hidden)
        fold[2 * hidden : 3 * hidden] = 2.0
        gates = (weights.input * fold).transpose(0, 1).flatten(1)
        heads = weights.head_input.transpose(0, 1).flatten(1)
        return cls(
            read=torch.cat([gates, heads], 1).to(device),
            bias=torch.cat([(weights.bias * fold).flatten(), weights.head_bias.flatten()]).to(device),
            recurrent=tuple((weights.recurrent * fold).to(device).unbind(0)),
            head=tuple(weights.head_state.to(device).unbind(0)),
        )

    def advance(self, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Raw outputs (B, K, P) and new memory (B, 2 K H) from inputs (B, I) and memory: states, then cells."""
        members, hidden, gates = len(self.recurrent), *self.recurrent[0].shape
        outputs = self.head[0].shape[1]
        read = torch.addmm(self.bias, inputs, self.read)
        states, cells = memory.split(members * hidden, 1)
        gate = torch.cat(
            [
                torch.addmm(read[:, k * gates : (k + 1) * gates], states[:, k * hidden : (k + 1) * hidden], recurrent)
                for k, recurrent in enumerate(self.recurrent)
            ],
            1,
        )
        enter, keep, cell, leave = gate.sigmoid_().unflatten(1, (members, 4, hidden)).unbind(2)
        now = keep * cells.unflatten(1, (members, hidden)) + enter * (2 * cell - 1)
        state = leave * (2 * (2 * now).sigmoid_() - 1)
        raw = [
            torch.addmm(read[:, members * gates + k * outputs : members * gates + (k + 1) * outputs], state[:, k], head)
            for k, head in enumerate(self.head)
        ]
        return torch.stack(raw, 1), torch.cat([state.flatten(1), now.flatten(1)], 1)
