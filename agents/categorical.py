"""Distributions over discrete actions: masking, drawing and log-probabilities, shared by every discrete policy."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_softmax(logits: Tensor, allowed: Tensor | None) -> Tensor:
    """Probabilities (B, A) of `logits` (B, A) over the actions `allowed` (B, A) bool; exactly 0 elsewhere."""
    if allowed is not None:
        logits = logits.masked_fill(~checked(allowed), -torch.inf)
    # normalised first, as torch's Categorical does, so that an exported policy is identical to the last bit
    return torch.softmax(logits - logits.logsumexp(1, keepdim=True), 1)


def renormalised(probs: Tensor, allowed: Tensor | None) -> Tensor:
    """`probs` (B, A) restricted to the actions `allowed`; uniform over them where they had no probability at all."""
    if allowed is None:
        return probs
    kept = torch.where(checked(allowed), probs, 0.0)
    kept = torch.where(kept.sum(1, keepdim=True) > 0, kept, allowed.to(probs.dtype))
    return kept / kept.sum(1, keepdim=True)


def checked(allowed: Tensor) -> Tensor:
    """`allowed` (B, A) itself; ValueError where a row allows nothing, since no policy can act there."""
    stuck = ~allowed.any(1)
    if stuck.any():
        row = int(stuck.nonzero()[0])
        raise ValueError(f"row {row} allows no action: a mask must leave at least one, such as giving nothing")
    return allowed


def draw(probs: Tensor, noise: Tensor) -> Tensor:
    """Action (B,) int64 drawn from `probs` (B, A) by standard normals (B, A); never one of probability 0.

    The Gumbel-max trick: E = -log Phi(noise) is exponential, and the smallest E / p falls on a with probability
    p[a], whatever the order of the actions. Two similar policies under one noise mostly choose alike.
    """
    exponential: Tensor = -torch.special.log_ndtr(noise)
    return (probs.log() - exponential.log()).argmax(1)


def log_prob_of(probs: Tensor, action: Tensor) -> Tensor:
    """Log-probability (B,) of `action` (B,) under `probs` (B, A); -inf where it is impossible."""
    return probs.gather(1, action[:, None])[:, 0].log()
