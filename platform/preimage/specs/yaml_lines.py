"""YAML with the line of every key, and no key twice."""

from dataclasses import dataclass
from typing import Any

import yaml

from preimage.errors import SpecError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its value, and where each part of it stands."""

    value: dict[str, Any]
    lines: dict[Path, int]


def parse(text: str, name: str) -> Document:
    """Read a YAML mapping. Raises SpecError where it is not YAML, not a mapping, or has a key twice."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SpecError(f"{name}, line {line}: this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError(f"{name}: this is not YAML: {error}") from error
    if not isinstance(node, yaml.MappingNode) or not isinstance(value, dict):
        raise SpecError(f"{name}: a spec is a mapping of keys to values, such as `job: train-gan`")
    lines: dict[Path, int] = {}
    twice: list[str] = []
    _walk(node, (), lines, twice)
    if twice:
        raise SpecError(f"{name}: " + "; ".join(twice))
    return Document(value, lines)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], twice: list[str]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*path, key.value)
            line = key.start_mark.line + 1
            if here in lines:
                twice.append(f"line {line}: the key {key.value!r} stands already in line {lines[here]}")
                continue
            lines[here] = line
            _walk(child, here, lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*path, i), lines, twice)
