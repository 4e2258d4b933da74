"""JSON Schema, as a person reads it: the type of a key in words, its default, its description."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Schema = Mapping[str, Any]
Link = Callable[[str], str]
"""The Markdown that stands for a definition, by its name."""

WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


@dataclass(frozen=True)
class Key:
    """One key of a group of settings."""

    name: str
    type: str
    """Markdown."""
    default: str | None
    """YAML; None where the key is required or its group has defaults of its own."""
    required: bool
    description: str


def keys_of(schema: Schema, definitions: Schema, link: Link) -> Iterator[Key]:
    """The keys of an object."""
    required = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        yield Key(
            name=name,
            type=type_text(each, link),
            default=_default(each, definitions),
            required=name in required,
            description=each.get("description") or _of_group(each, definitions),
        )


def type_text(schema: Schema, link: Link) -> str:
    """A type in words; what a union may be is joined by "or", null comes last."""
    if name := reference(schema):
        return link(name)
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return _joined([_code(each) for each in schema["enum"]])
    if union := schema.get("anyOf") or schema.get("oneOf"):
        return _joined(_flat(union, link))
    kind = schema.get("type")
    if kind == "array":
        return _array(schema, link)
    if kind == "object":
        inside = schema.get("additionalProperties")
        return (
            f"names, each with: {type_text(inside, link)}"
            if inside and inside is not True
            else "keys and values"
        )
    if kind == "null":
        return "`null`"
    if kind in WORDS:
        return " ".join([WORDS[kind], *_limits(schema)])
    return "anything"


def reference(schema: Schema) -> str | None:
    """The name of the definition that a schema refers to."""
    return schema["$ref"].rsplit("/", 1)[-1] if "$ref" in schema else None


def references(schema: Any) -> Iterator[str]:
    """The names of all definitions that a schema refers to directly, in order."""
    if isinstance(schema, Mapping):
        if name := reference(schema):
            yield name
        for key, each in schema.items():
            if key != "discriminator":  # it only repeats its union
                yield from references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from references(each)


def yaml_text(value: Any) -> str:
    """A value as one writes it in a spec, on one line."""
    written = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return written.removesuffix("\n").removesuffix("\n...")


def cell(text: str) -> str:
    """Text for a cell of a Markdown table; what stands between backticks stays as it is."""
    parts = text.strip().replace("|", "\\|").split("`")
    for place in range(0, len(parts), 2):
        parts[place] = parts[place].replace("<", "&lt;").replace("*", "\\*")
    return "`".join(parts).replace("\n\n", "<br>").replace("\n", " ")


def _of_group(schema: Schema, definitions: Schema) -> str:
    """The first sentence about the group of settings that a key holds."""
    about = definitions[name].get("description", "") if (name := reference(schema)) else ""
    return re.split(r"(?<=[.:])\s", about, maxsplit=1)[0].rstrip(":")


def _default(schema: Schema, definitions: Schema) -> str | None:
    """The default, if any; of a group of settings only what differs from the group's own."""
    if "default" not in schema:
        return None
    default, name = schema["default"], reference(schema)
    if not name or not isinstance(default, Mapping):
        return yaml_text(default)
    own = definitions[name].get("properties", {})
    changed = {key: each for key, each in default.items() if own.get(key, {}).get("default") != each}
    return yaml_text(changed) if changed else None


def _flat(union: list[Schema], link: Link) -> list[str]:
    """The members of a union and of unions within it, each once."""
    found: list[str] = []
    for each in union:
        inner = each.get("anyOf") or each.get("oneOf")
        found += _flat(inner, link) if inner else [type_text(each, link)]
    return list(dict.fromkeys(found))


def _joined(members: list[str]) -> str:
    ordered = [each for each in members if each != "`null`"] + [each for each in members if each == "`null`"]
    return " or ".join([", ".join(ordered[:-1]), ordered[-1]]) if len(ordered) > 1 else ordered[0]


def _array(schema: Schema, link: Link) -> str:
    if places := schema.get("prefixItems"):
        return f"[{', '.join(type_text(each, link) for each in places)}]"
    items = schema.get("items")
    return f"list of {type_text(items, link)}" if items else "list"


def _limits(schema: Schema) -> Iterator[str]:
    found = [f"{sign} {_short(schema[key])}" for key, sign in LIMITS.items() if key in schema]
    if found:
        yield ", ".join(found)


def _short(number: float) -> str:
    return "2³¹" if number == 2**31 else f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _code(value: Any) -> str:
    return f"`{yaml_text(value)}`"
