"""Policies on disk: a folder of `model.json` and `weights.safetensors`, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from safetensors.torch import save_file
from torch import Tensor

from ..contracts import Blend, DiscretePolicy, Policy
from ..trajectories.saved import read_arrays, read_json
from .baselines import ConstantPolicy
from .batch_constrained import SupportedPolicy
from .behavior.policy import BehaviorPolicy
from .behavior.sites import SitedPolicy
from .clipped_gaussian import ClippedGaussianPolicy
from .gaussian import GaussianPolicy
from .greedy import GreedyPolicy
from .network import NetworkPolicy
from .squashed_gaussian import SquashedGaussianPolicy
from .tree import TreePolicy

MODEL, WEIGHTS = "model.json", "weights.safetensors"
FORMAT = 1


@runtime_checkable
class Savable(Policy, Protocol):
    """A policy that is no more than settings and tensors."""

    kind: ClassVar[str]

    def settings(self) -> dict[str, object]: ...
    def weights(self) -> dict[str, Tensor]: ...
    @classmethod
    def restore(cls, settings: Mapping[str, object], weights: Mapping[str, Tensor]) -> Self: ...


_CLASSES: tuple[type[Savable], ...] = (
    ConstantPolicy,
    BehaviorPolicy,
    SitedPolicy,
    NetworkPolicy,
    GreedyPolicy,
    SupportedPolicy,
    GaussianPolicy,
    ClippedGaussianPolicy,
    SquashedGaussianPolicy,
    TreePolicy,
)
KINDS = {cls.kind: cls for cls in _CLASSES}


def save_policy(policy: object, folder: str | Path) -> None:
    """Write a policy, or a Blend of two, into `folder`, which must not hold one yet.

    `model.json` is written last: a folder without it was never finished. TypeError for a policy that has no saved
    form, such as one that wraps other software; FileExistsError where a policy is there already.
    """
    folder = Path(folder)
    if (folder / MODEL).exists():
        raise FileExistsError(f"{folder} already holds a policy: choose another folder, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(policy, Blend):
        save_policy(policy.policy, folder / "policy")
        save_policy(policy.base, folder / "base")
        content: dict[str, object] = {"kind": "blend", "settings": {"share": policy.share}}
    elif isinstance(policy, Savable):
        save_file({name: x.detach().cpu().contiguous() for name, x in policy.weights().items()}, folder / WEIGHTS)
        content = {"kind": policy.kind, "settings": policy.settings()}
    else:
        raise TypeError(f"expected a policy of kind {', '.join(KINDS)} or a Blend of them, got {type(policy).__name__}")
    temporary = folder / (MODEL + ".tmp")
    temporary.write_text(json.dumps({"format": FORMAT, **content}, indent=1), encoding="utf-8")
    temporary.replace(folder / MODEL)


def load_policy(folder: str | Path) -> DiscretePolicy:
    """The discrete policy saved in `folder`, on the CPU; ValueError where there is none, or one of another kind."""
    policy = load_any_policy(folder)
    if not isinstance(policy, DiscretePolicy):
        raise ValueError(f"{folder}: expected a policy over levels, got one over continuous doses: use load_any_policy")
    return policy


def load_any_policy(folder: str | Path) -> Policy:
    """The policy saved in `folder`, over levels or continuous doses; ValueError where there is none, or a blend."""
    content = _content(Path(folder))
    if content["kind"] not in KINDS:
        raise ValueError(
            f"{folder}: expected a policy of kind {', '.join(KINDS)}, got {content['kind']!r}"
            + (": use load_blend" if content["kind"] == "blend" else "")
        )
    weights = read_arrays(Path(folder) / WEIGHTS)
    try:
        return KINDS[content["kind"]].restore(content["settings"], weights)
    except KeyError as error:
        raise ValueError(f"{folder}: {MODEL} and {WEIGHTS} do not fit: {error} is missing") from None
    except (TypeError, RuntimeError, AttributeError, IndexError) as error:
        said = str(error).partition("\n")[0]
        raise ValueError(f"{folder}: {MODEL} and {WEIGHTS} do not fit ({said}): save the policy again") from None


def load_blend(folder: str | Path) -> Blend:
    """The blend saved in `folder`, with the fitted clinician that it was saved with; ValueError where there is none."""
    folder = Path(folder)
    content = _content(folder)
    if content["kind"] != "blend":
        raise ValueError(f"{folder}: expected a blend, got a policy of kind {content['kind']!r}: use load_policy")
    return Blend(load_policy(folder / "policy"), load_policy(folder / "base"), content["settings"]["share"])


def _content(folder: Path) -> dict[str, Any]:
    path = folder / MODEL
    if not path.is_file():
        raise ValueError(f"{folder} holds no policy: {MODEL} is missing")
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {content.get('format')!r}: save the policy again")
    absent = [name for name in ("kind", "settings") if name not in content]
    if absent:
        raise ValueError(f"{path}: {absent[0]} is missing: save the policy again")
    return content
