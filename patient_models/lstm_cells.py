"""LSTM cells of all members, laid out for stepping many patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
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
    """The same weights for each member: tanh(x) = 2 sigmoid(2 x) - 1, its inner factor folded into the cell gate."""

    members: tuple[tuple[Tensor, ...], ...]  # K times the six weights, without the leading axis

    @classmethod
    def of(cls, weights: Weights, device: torch.device) -> Self:
        """The weights on `device`."""
        hidden = weights.recurrent.shape[1]
        fold = torch.ones(4 * hidden)
        fold[2 * hidden : 3 * hidden] = 2.0
        gates = (weights.input * fold, weights.recurrent * fold, weights.bias * fold)
        heads = (weights.head_input, weights.head_state, weights.head_bias)
        each = zip(*(tensor.to(device).unbind(0) for tensor in (*gates, *heads)), strict=True)
        return cls(tuple(each))

    def advance(self, inputs: Tensor, memory: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        """Raw outputs (B, K, P) and new memory (B, first + 2 K H) from inputs (B, I) and memory of that layout.

        Memory holds, after `first` columns that are copied, each member's state and cell in turn.
        """
        hidden = self.members[0][1].shape[0]
        after = torch.empty_like(memory)
        after[:, :first] = memory[:, :first]
        raw = []
        for k, (read, recurrent, bias, head_input, head_state, head_bias) in enumerate(self.members):
            place = slice(first + 2 * k * hidden, first + 2 * (k + 1) * hidden)
            state, cell = memory[:, place].split(hidden, 1)
            now, then = after[:, place].split(hidden, 1)
            gates = torch.addmm(bias, inputs, read).addmm_(state, recurrent).sigmoid_()
            enter, keep, new, leave = gates.split(hidden, 1)
            torch.mul(cell, keep, out=then)
            then += torch.addcmul(-enter, enter, new, value=2)  # enter (2 new - 1)
            torch.addcmul(-leave, leave, torch.sigmoid(2 * then), value=2, out=now)
            raw.append(torch.addmm(head_bias, inputs, head_input).addmm_(now, head_state))
        return torch.stack(raw, 1), after
