"""Descriptions of plans and outcomes as plain values: the command line only prints them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from preimage.readable import duration


@dataclass(frozen=True)
class Time:
    """How long something takes."""

    seconds: float | None
    """None if it is not known."""
    basis: str
    """What that rests on, or why it is not known."""

    @property
    def text(self) -> str:
        about = "not known" if self.seconds is None else f"about {duration(self.seconds)}"
        return f"{about}{': ' if self.seconds is None else ', '}{self.basis}"


class Section(NamedTuple):
    """Facts about one part of a plan."""

    title: str
    """The name of the step or study."""
    kind: str
    """The kind of job."""
    state: str
    """What would happen."""
    facts: tuple[tuple[str, str], ...]
    """(label, fact)."""
    images: dict[str, Any] | None = None
    """Its images as `data.inventory.plain` has them."""
    seconds: float | None = None
    """How long it takes; None if that is not known, or nothing is left to do."""
    basis: str = ""
    """What that rests on, or why it is not known."""


@dataclass(frozen=True)
class Description:
    """What a plan would do, with which inputs, and at what cost."""

    sections: tuple[Section, ...]
    recorded: str
    """Where its runs are recorded."""
    time: Time
    """How long all of it takes."""


@dataclass(frozen=True)
class Summary:
    """What to show of an outcome."""

    metrics: tuple[tuple[str, str, str], ...]
    """(step, metric, value) of each job's headline metrics."""
    tables: tuple[str, ...]
    """Markdown."""
    files: tuple[tuple[str, str], ...]
    """(label, address) of products and pictures."""
    commands: tuple[tuple[str, str], ...]
    """What to try next: (command, what it does)."""
