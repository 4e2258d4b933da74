"""What the comment at the head of a spec file says: a first sentence, and labelled remarks."""

import re
from dataclasses import dataclass, field

LABEL = re.compile(r"  (\S+)(?:\s+(.*))?")


@dataclass(frozen=True)
class Header:
    """The comment before a spec's first key."""

    sentence: str = ""
    """What the spec is for."""
    remarks: dict[str, str] = field(default_factory=dict)
    """By label, such as `needs`, and the name of each profile that it describes."""


def header_of(text: str) -> Header:
    """Read the head of a spec file; a file without a comment has an empty one."""
    about: list[str] = []
    remarks: dict[str, list[str]] = {}
    label = ""
    for written in _comment(text):
        if found := LABEL.fullmatch(written):
            label, first = found[1], found[2] or ""
            remarks[label] = [first]
        elif label and written.startswith("   "):
            remarks[label].append(written.strip())
        elif not label:
            about.append(written.strip())
    return Header(
        first_sentence(" ".join(filter(None, about))),
        {name: " ".join(filter(None, parts)) for name, parts in remarks.items()},
    )


def first_sentence(text: str) -> str:
    """The beginning of a text, until a full stop, a question mark or a colon that ends a clause."""
    found = re.match(r"(.*?[.?!])(?:\s+(?=[A-Z`])|$)", text)
    return found[1] if found else text


def _comment(text: str) -> list[str]:
    """The lines before the first key, without their marks and the editors' own line."""
    lines = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            break
        if line and not line.startswith("# yaml-language-server"):
            lines.append(line[1:].removeprefix(" "))
    return lines
