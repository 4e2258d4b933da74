"""Docstrings in the house's plain style, for the reference: its descriptions of parameters become a list."""

import inspect
import re
from collections.abc import Collection, Iterator

import griffe

NAMED = re.compile(r"(?:^|(?<=[.;)] ))(\w+(?:, \w+)*): ")
"""What begins a description, as in "images: (N, C, H, W) floats. labels: (N,) integers"."""


class ParameterLists(griffe.Extension):
    """Makes a list of each paragraph that describes parameters."""

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """Called by Griffe for each function and method."""
        if func.docstring:
            names = {each.name.lstrip("*") for each in func.parameters}
            func.docstring.value = with_lists(inspect.cleandoc(func.docstring.value), names)


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
