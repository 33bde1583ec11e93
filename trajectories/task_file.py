"""Reading a task file. What is wrong is named with its place in the file and a remedy."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from .task import Task


class TaskError(ValueError):
    """A task file that cannot be used."""


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key written twice is an error rather than the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise TaskError(f"line {node.start_mark.line + 1}: key {twice[0]!r} is written twice; keep one")
        return super().construct_mapping(node, deep)


def shipped_tasks() -> list[str]:
    """Names of the task files that come with Posology."""
    folder = resources.files(__package__) / "tasks"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_task(path_or_name: str | Path) -> Task:
    """The task in a YAML file, or the shipped task of that name; TaskError says what is wrong and where."""
    return parse_task(_text(str(path_or_name)), str(path_or_name))


def parse_task(text: str, source: str) -> Task:
    """The task in a YAML text; `source` names it in errors.

    With `extends: NAME` it is the task of that name or path but for what the text says: mappings are merged key by
    key, everything else is replaced.
    """
    try:
        return Task.model_validate(_extended(yaml.load(text, _StrictLoader), (source,)))
    except ValidationError as error:
        raise TaskError(f"task {source}:\n" + "\n".join(f"  {_line(e)}" for e in error.errors())) from None
    except (TaskError, yaml.YAMLError) as error:
        raise TaskError(f"task {source}: {error}") from None
    except (RecursionError, ValueError) as error:  # nested without end, or a date that is none
        raise TaskError(f"task {source}: not valid YAML ({type(error).__name__}: {error})") from None


def _text(name: str) -> str:
    if name in shipped_tasks():
        return (resources.files(__package__) / "tasks" / f"{name}.yaml").read_text("utf-8")
    if not Path(name).is_file():
        raise TaskError(
            f"no task file {name!r}; give a path, or one of the shipped tasks: {', '.join(shipped_tasks())}"
        )
    try:
        return Path(name).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(f"task {name}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None


def _extended(content: Any, sources: tuple[str, ...]) -> Any:
    """The content of a task file on top of what it extends; `sources` led here."""
    if not isinstance(content, dict) or "extends" not in content:
        return content
    base, own = str(content["extends"]), {key: value for key, value in content.items() if key != "extends"}
    if base in sources:
        raise TaskError(f"extends: {' extends '.join((*sources, base))}; a task cannot extend itself")
    return _merged(_extended(yaml.load(_text(base), _StrictLoader), (*sources, base)), own)


def _merged(base: Any, own: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    return base | {key: _merged(base[key], value) if key in base else value for key, value in own.items()}


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"] if part != "[key]") or "the file"
    if error["type"] == "extra_forbidden":
        known = _fields_at(Task, error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{place}: unknown key; {hint}"
    got = "" if isinstance(error.get("input"), (dict, BaseModel)) else f", got {error.get('input')!r}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}{got if error['type'] != 'value_error' else ''}"


def _fields_at(annotation: Any, place: tuple[int | str, ...]) -> list[str]:
    """Keys known at a place of the file, by following the models' own annotations."""
    if not place:
        models = [a for a in _parts(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        return [name for model in models for name in model.model_fields]
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel) and place[0] in part.model_fields:
            return _fields_at(part.model_fields[str(place[0])].annotation, place[1:])
    inner = [a for part in _parts(annotation) for a in get_args(part)]
    return sorted({name for a in inner for name in _fields_at(a, place[1:])})


def _parts(annotation: Any) -> list[Any]:
    """The annotation itself, or the members of a union."""
    if get_origin(annotation) in (Union, UnionType):
        return [member for member in get_args(annotation) if member is not type(None)]
    return [annotation]
