"""YAML as people read it.

YAML 1.1, and so PyYAML, reads `no` as false, `1:30` as 90, `0100` as 64, `2026-01-02` as a date, and `1e-4`
as text. Here they are `no`, `1:30`, refused, `2026-01-02`, and a number, as in YAML 1.2.
"""

import re
from typing import Any

import yaml

_BOOL = r"true|True|TRUE|false|False|FALSE"
_NULL = r"~|null|Null|NULL|"
_INT = r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0o[0-7_]+"
_FLOAT = (
    r"[-+]?([0-9][0-9_]*\.?|([0-9][0-9_]*)?\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_NUMBER = list("-+0123456789.")


class AmbiguousNumber(Exception):
    """A number in YAML that means another one to other readers."""


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with YAML 1.2's reading of what is not in quotes."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (PyYAML's own attribute; not its parent's table)

    def int_of(self, node: yaml.Node) -> int:
        """The integer of a scalar, in base 10, 8 or 16."""
        text = self.construct_scalar(node).replace("_", "")  # pyright: ignore
        return int(text, 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes around any text that it or `Loader` would read as something else."""

    def text_of(self, text: str) -> yaml.ScalarNode:
        """Text as a scalar. Only in double quotes does PyYAML keep Unicode's own line breaks."""
        breaks = any(each in text for each in "\x85\u2028\u2029\ufeff")
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if breaks else None)


for _tag, _pattern, _first in (
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, _NUMBER),
    ("float", _FLOAT, _NUMBER),
    ("merge", "<<", ["<"]),
    ("null", _NULL, ["~", "n", "N", ""]),
):
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"({_pattern})$"), _first)
Dumper.add_representer(str, Dumper.text_of)
Loader.add_constructor("tag:yaml.org,2002:int", Loader.int_of)
Dumper.add_implicit_resolver("!leading-zero", re.compile(_LEADING_ZERO.pattern + "$"), _NUMBER)


def load(text: str) -> Any:
    """The plain values of a YAML text. Raises yaml.YAMLError or ValueError if it is not YAML."""
    return yaml.load(text, Loader=Loader)


def dump(value: Any) -> str:
    """Plain values as YAML, which `Loader` reads as the same values; keys in their order."""
    endless = float("inf")  # so that an address with spaces stays on its line
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=endless)


def require_one_reading(node: yaml.ScalarNode) -> None:
    """Raise AmbiguousNumber for a number that YAML's versions read as different numbers."""
    if node.style is None and _LEADING_ZERO.fullmatch(node.value):
        plain = node.value.replace("_", "").lstrip("+-0") or "0"
        raise AmbiguousNumber(
            f"{node.value} is octal to some readers: write {plain}, or '{node.value}' in quotes if it is text"
        )
