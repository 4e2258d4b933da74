"""What a person is told of a plan and of an outcome, as plain values: the command line only prints them."""

from dataclasses import dataclass
from typing import NamedTuple


class Section(NamedTuple):
    """Facts about one part of a plan."""

    title: str
    """What the part is; empty where there is only one."""
    kind: str
    """The job that it does."""
    state: str
    """What would happen."""
    facts: tuple[tuple[str, str], ...]
    """(label, fact)."""


@dataclass(frozen=True)
class Description:
    """What a plan would do, with what, and at what cost."""

    sections: tuple[Section, ...]
    recorded: str
    """Where its runs are recorded."""


@dataclass(frozen=True)
class Summary:
    """What is worth seeing of an outcome."""

    metrics: tuple[tuple[str, str, str], ...]
    """(step, metric, value), those that a job shows first."""
    tables: tuple[str, ...]
    """Markdown."""
    files: tuple[tuple[str, str], ...]
    """(label, address) of products and pictures."""
    commands: tuple[tuple[str, str], ...]
    """What to try next: (command, what it does)."""
