"""What a page on a run says, as values: the template only lays them out."""

from dataclasses import dataclass
from typing import NamedTuple

from preimage.reports.charts import Chart
from preimage.reports.markdown import Part
from preimage.reports.pictures import Picture


class Headline(NamedTuple):
    """A metric that a user wants to see first."""

    name: str
    value: str
    meaning: str
    step: str = ""


class Fact(NamedTuple):
    """One line of provenance."""

    label: str
    text: str
    link: str = ""
    """An address on the web."""


class Facts(NamedTuple):
    """Lines of provenance under one title."""

    title: str
    lines: tuple[Fact, ...]


class Difference(NamedTuple):
    """A setting that is not as in the shipped spec."""

    key: str
    shipped: str
    here: str


@dataclass(frozen=True)
class SpecText:
    """A run's resolved spec, and what differs from the shipped one that it was made from."""

    text: str
    shipped: str = ""
    """The shipped spec and its profile, in words; empty if none is known."""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Section:
    """One run: a single job, a study, or a step of a pipeline."""

    id: str
    """Its anchor."""
    name: str
    kind: str
    """Its kind of job."""
    run: str
    state: str
    why: str = ""
    """Why it is not finished."""
    what: str = ""
    made_by: str = ""
    created: str = ""
    seconds: str = ""
    headlines: tuple[Headline, ...] = ()
    pictures: tuple[Picture, ...] = ()
    samples: tuple[Picture, ...] = ()
    charts: tuple[Chart, ...] = ()
    parts: tuple[Part, ...] = ()
    """The job's table and its prose."""
    metrics: tuple[tuple[str, str], ...] = ()
    """All numbers of the outcome."""
    facts: tuple[Facts, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not shown, and why."""


@dataclass(frozen=True)
class Page:
    """The whole page."""

    head: Section
    """The run itself; of a pipeline, without what its steps' sections hold."""
    about: str
    """What its spec is for; empty if no shipped spec says so."""
    sections: tuple[Section, ...]
    spec: SpecText
    again: str
    commands: tuple[tuple[str, str], ...]
    """What to try next: (command, what it does)."""
    made: str
    """When the page was made, and by which version."""
