"""YAML with the line of every key, and without duplicate keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from preimage.errors import SpecError
from preimage.storage.plain_yaml import AmbiguousNumber, Loader, dump, load, require_one_reading

Path = tuple[str | int, ...]

LARGEST = 100_000
"""Keys and values in one document. A few lines of nested aliases can expand beyond any memory."""
DEEPEST = 50
"""Nesting depth of mappings and lists. An alias of its own parent never ends."""
LONGEST = 300
"""Characters of an integer. Python refuses to print one of thousands of digits."""

_MISREAD = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What PyYAML raises for a value that does not match its tag."""


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its value, and the line of each part."""

    value: dict[str, Any]
    lines: dict[Path, int]
    """Empty for a mapping that was written in no file."""


Written = str | Mapping[str, Any]
"""A spec: the text of a file, or its plain values."""


def parse(written: Written, name: str) -> Document:
    """Read a YAML mapping. Raises SpecError if it is not YAML, not a mapping, or has duplicate keys."""
    if isinstance(written, Mapping):
        return Document(parse(dump(dict(written)), name).value, {})
    value, lines, duplicates = _read(written, name)
    if not isinstance(value, dict):
        raise SpecError(f"{name}: a spec must be a mapping of keys to values, such as `job: train-gan`")
    if wrong := [key for key in value if not isinstance(key, str)]:
        raise SpecError(f"{name}: the keys of a spec must be names but got {wrong[0]!r}")
    if duplicates:
        raise SpecError(f"{name}: " + "; ".join(duplicates))
    return Document(value, lines)


def parse_value(text: str, name: str) -> Any:
    """One YAML value. Raises SpecError if it is not YAML, or YAML would ignore a part of it as a comment."""
    value, _, _ = _read(text, name)
    node = yaml.compose(text, Loader=Loader)
    if node is None or text[node.end_mark.index :].strip():
        ignored = text[node.end_mark.index :].strip() if node else text.strip()
        raise SpecError(
            f"{name}: YAML takes {ignored!r} for a comment: put the value in quotes, or remove it"
        )
    return value


def _read(text: str, name: str) -> tuple[Any, dict[Path, int], list[str]]:
    """A value, the line of each of its parts, and a message for each duplicate key."""
    lines: dict[Path, int] = {}
    duplicates: list[str] = []
    try:
        node = yaml.compose(text, Loader=Loader)
        if node is not None:
            _walk(node, (), lines, duplicates, name)  # first, so that nothing too large is built
        return load(text), lines, duplicates
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SpecError(f"{name}, line {line}: this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, *_MISREAD) as error:
        raise SpecError(f"{name}: this is not YAML: {error}") from error


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], duplicates: list[str], name: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEEPEST or len(lines) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} values, or nested more than {DEEPEST} deep")
    if node.tag.endswith(":int") and len(node.value) > LONGEST:
        raise ValueError(f"line {node.start_mark.line + 1}: a number has {len(node.value):,} digits")
    if isinstance(node, yaml.ScalarNode):
        try:
            require_one_reading(node)
        except AmbiguousNumber as error:
            raise SpecError(f"{name}, line {node.start_mark.line + 1}: {error}") from error
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line}: a key must be one word, not a list or a mapping")
            place = (*path, key.value)
            if place in lines:
                duplicates.append(f"line {line}: duplicate key {key.value!r}, first in line {lines[place]}")
                continue
            lines[place] = line
            _walk(child, place, lines, duplicates, name)
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*path, i), lines, duplicates, name)
