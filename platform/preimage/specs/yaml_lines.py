"""YAML with the line of every key, and no key twice."""

from dataclasses import dataclass
from typing import Any

import yaml

from preimage.errors import SpecError

Path = tuple[str | int, ...]

LARGEST = 100_000
"""Keys and values of one document. A few lines of aliases of aliases stand for more than any memory holds."""
DEEPEST = 50
"""Mappings and lists in each other; an alias of what it stands in has no end."""
LONGEST = 300
"""Characters of a whole number; Python refuses to print one of thousands of digits."""

_MISREAD = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What PyYAML raises for a value that is not of the kind that its tag says."""


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its value, and where each part of it stands."""

    value: dict[str, Any]
    lines: dict[Path, int]


def parse(text: str, name: str) -> Document:
    """Read a YAML mapping. Raises SpecError where it is not YAML, not a mapping, or has a key twice."""
    value, lines, twice = _read(text, name)
    if not isinstance(value, dict):
        raise SpecError(f"{name}: a spec is a mapping of keys to values, such as `job: train-gan`")
    if strange := [key for key in value if not isinstance(key, str)]:
        raise SpecError(f"{name}: the keys of a spec are names, but one is {strange[0]!r}")
    if twice:
        raise SpecError(f"{name}: " + "; ".join(twice))
    return Document(value, lines)


def parse_value(text: str, name: str) -> Any:
    """One YAML value. Raises SpecError where it is not YAML."""
    return _read(text, name)[0]


def _read(text: str, name: str) -> tuple[Any, dict[Path, int], list[str]]:
    """A value, the line of each part of it, and what is said of keys that stand twice."""
    lines: dict[Path, int] = {}
    twice: list[str] = []
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _walk(node, (), lines, twice)  # first: what is too large is not built
        return yaml.safe_load(text), lines, twice
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SpecError(f"{name}, line {line}: this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, *_MISREAD) as error:
        raise SpecError(f"{name}: this is not YAML: {error}") from error


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], twice: list[str]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEEPEST or len(lines) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} values, or more than {DEEPEST} in each other")
    if node.tag.endswith(":int") and len(node.value) > LONGEST:
        raise ValueError(f"line {node.start_mark.line + 1} has a number of {len(node.value):,} digits")
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"a key is one word, but that of line {line} is a list or a mapping")
            here = (*path, key.value)
            if here in lines:
                twice.append(f"line {line}: the key {key.value!r} stands already in line {lines[here]}")
                continue
            lines[here] = line
            _walk(child, here, lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*path, i), lines, twice)
