"""Descriptions of parameters in a docstring of the house's plain style, made into a list."""

import re
from collections.abc import Collection, Iterator

NAMED = re.compile(r"(?:^|(?<=[.;)] ))(\w+(?:, \w+)*): ")
"""What begins a description, as in "images: (N, C, H, W) floats. labels: (N,) integers"."""


def with_lists(text: str, parameters: Collection[str]) -> str:
    """A docstring whose descriptions of parameters are items of a list."""
    return "\n\n".join("\n".join(_items(each, parameters)) for each in text.split("\n\n"))


def _items(paragraph: str, parameters: Collection[str]) -> Iterator[str]:
    line = " ".join(paragraph.split("\n"))
    found = [each for each in NAMED.finditer(line) if set(each[1].split(", ")) <= set(parameters)]
    if not found:
        yield paragraph
        return
    if before := line[: found[0].start()].strip():
        yield f"{before}\n"
    ends = [each.start() for each in found[1:]] + [len(line)]
    for each, end in zip(found, ends, strict=True):
        names = ", ".join(f"`{name}`" for name in each[1].split(", "))
        yield f"- {names}: {line[each.end() : end].strip()}"
