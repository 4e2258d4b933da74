"""Gather what a run's folder holds into a page: of a pipeline, from the folders of its steps too."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from preimage._version import __version__
from preimage.errors import PreimageError
from preimage.jobs.meanings import meaning
from preimage.readable import duration, number
from preimage.reports.charts import Chart, charts
from preimage.reports.content import Facts, Headline, Page, Section
from preimage.reports.markdown import Part, parts_of
from preimage.reports.pictures import figures_of, fitted, samples_of
from preimage.reports.provenance import facts_of, of_steps
from preimage.reports.spec_changes import spec_of
from preimage.reports.study_parts import read_study, table_so_far, trial_curves
from preimage.runs import attempts
from preimage.runs.metrics import flatten
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.runs.states import state_of
from preimage.specs.yaml_lines import parse
from preimage.storage.host_info import now
from preimage.tracking.description import again, what_of

FEW = 4
"""Headline metrics of a run of an earlier version, which does not say which these are."""
MANY = 6
"""Steps whose metrics are listed at the top without what they mean, which their sections say."""
METRICS = 500
"""Most metrics that are listed."""
ALONG = {"study": "trial", "invert": "images", "fit-prior": "codes seen", "train-prior": "codes seen"}
"""What counts along the curves of a kind of job, if not the images seen."""
Value = TypeVar("Value")


def page_of(run: RunFolder, commands: Sequence[tuple[str, str]] = ()) -> Page:
    """A page on a run in any state. commands: what to try next.

    Raises StorageError if the run cannot be read; what else cannot be, the page says.
    """
    known = run.about()
    spec, about = spec_of(run, known)
    steps = _steps(run, known)
    sections = [_section(each, name, place) for name, each, place in steps] or [
        _section(run, known["name"], "")
    ]
    sections = _with_pictures(sections)
    head = _head(run, known, [each for _, each, _ in steps], sections) if steps else sections[0]
    made = f"{now()} by Preimage {__version__}"
    return Page(head, about, tuple(sections), spec, again(run), tuple(commands), made)


def _steps(run: RunFolder, known: Mapping[str, Any]) -> list[tuple[str, RunFolder, str]]:
    """(names, run, its path from this run's folder) of each of a pipeline's steps that has begun; steps that
    are the same run are one."""
    names: dict[str, list[str]] = {}
    for step, name in known.get("steps", {}).items():
        names.setdefault(name, []).append(step)
    found = [
        (", ".join(same), RunFolder(run.folder.parent / name), f"../{name}/") for name, same in names.items()
    ]
    return [each for each in found if each[1].about_or_none()]


def _head(
    run: RunFolder, known: Mapping[str, Any], steps: Sequence[RunFolder], sections: Sequence[Section]
) -> Section:
    """A pipeline by itself."""
    outcome, notes = run.outcome(), list[str]()
    left = [attempts.read(each) for each in steps if not each.outcome()]
    state, why = state_of(run, "pipeline", outcome, attempts.read(run), left)
    begun = {name for each in sections for name in each.name.split(", ")}
    if missing := [step for step in known["steps"] if step not in begun]:
        notes.append(f"These steps have not begun, or were skipped: {', '.join(missing)}.")
    facts = _facts(run, known, outcome, notes)
    first = [each.headlines[0]._replace(step=each.name) for each in sections if each.headlines]
    if len(first) > MANY:
        first = [each._replace(meaning="") for each in first]
    return Section(
        id="run",
        name=known["name"],
        kind="pipeline",
        run=run.name,
        state=state,
        why=why,
        what=what_of(known),
        created=known["created"],
        seconds=_seconds(outcome, []),
        headlines=tuple(first),
        facts=(*facts, *of_steps(each.facts for each in sections)),
        notes=tuple(notes),
    )


def _section(run: RunFolder, name: str, place: str) -> Section:
    """A run by itself. place: its folder from that of the page."""
    known, outcome, notes = run.about(), run.outcome(), list[str]()
    own = _unless_damaged(lambda: attempts.read(run), [], notes)
    state, why = state_of(run, known["job"], outcome, own)
    drawn = _unless_damaged(lambda: _charts(run, known, notes), [], notes)
    return Section(
        id=run.name,
        name=name,
        kind=known["job"],
        run=run.name,
        state=state,
        why=why,
        what=what_of(known),
        made_by=known.get("made_by", ""),
        created=known["created"],
        seconds=_seconds(outcome, own),
        headlines=tuple(_headlines(outcome)) if outcome else (),
        pictures=tuple(_unless_damaged(lambda: figures_of(run, place), [], notes)),
        samples=tuple(_unless_damaged(lambda: samples_of(run, place), [], notes)),
        charts=tuple(drawn),
        parts=tuple(_unless_damaged(lambda: _parts(run, known), [], notes)),
        metrics=tuple(_metrics(outcome, notes)),
        facts=tuple(_facts(run, known, outcome, notes)),
        notes=tuple(notes),
    )


def _unless_damaged(read: Callable[[], Value], otherwise: Value, notes: list[str]) -> Value:
    """What is read; if it is damaged, the page says so in its place."""
    try:
        return read()
    except PreimageError as error:
        notes.append(str(error))
        return otherwise


def _with_pictures(sections: Sequence[Section]) -> list[Section]:
    """The sections with as many pictures as a page holds: figures before samples from along training."""
    figures = fitted([each.pictures for each in sections] + [each.samples for each in sections])
    pairs = zip(sections, figures[: len(sections)], figures[len(sections) :], strict=True)
    return [replace(each, pictures=tuple(own), samples=tuple(along)) for each, own, along in pairs]


def _headlines(outcome: Outcome) -> list[Headline]:
    found = outcome.headlines
    if not found:
        numbers = [(k, v) for k, v in flatten(outcome.metrics).items() if isinstance(v, int | float)]
        found = dict(numbers[:FEW])
    return [Headline(_plain(name), number(value), meaning(name)) for name, value in found.items()]


def _plain(metric: str) -> str:
    """A metric's name in words; a point within a number stays."""
    return re.sub(r"(?<!\d)\.|\.(?!\d)", " ", metric.replace("_", " "))


def _metrics(outcome: Outcome | None, notes: list[str]) -> list[tuple[str, str]]:
    found = [(name, number(value)) for name, value in flatten(outcome.metrics).items()] if outcome else []
    if len(found) > METRICS:
        notes.append(f"{len(found) - METRICS:,} more metrics are in outcome.json.")
    return found[:METRICS]


def _charts(run: RunFolder, known: Mapping[str, Any], notes: list[str]) -> list[Chart]:
    is_study = known["job"] == "study"
    along = ALONG.get(known["job"], "images seen")
    made, said = charts(run.curves(), along, is_dotted=is_study)
    if is_study:
        curves = trial_curves(*read_study(run, known["name"]))
        of_trials, more = charts(curves, title="what the scheduler saw of the best trials")
        made, said = made + of_trials, said + more
    notes += said
    return made


def _parts(run: RunFolder, known: Mapping[str, Any]) -> list[Part]:
    text = (run.figures.find("table.md") or b"").decode(errors="replace")
    if not text and known["job"] == "study":
        spec, records = read_study(run, known["name"])
        text = table_so_far(run, spec, records) if records else ""
    return parts_of(text)


def _facts(
    run: RunFolder, known: Mapping[str, Any], outcome: Outcome | None, notes: list[str]
) -> list[Facts]:
    spec = _unless_damaged(lambda: _spec(run), {}, notes)
    return _unless_damaged(lambda: facts_of(run, known, outcome, spec), [], notes)


def _spec(run: RunFolder) -> Mapping[str, Any]:
    text = (run.folder.find("spec.yaml") or b"{}").decode(errors="replace")
    return parse(text, (run.folder / "spec.yaml").uri).value


def _seconds(outcome: Outcome | None, own: list[dict[str, Any]]) -> str:
    found = outcome.seconds if outcome else attempts.seconds(own)
    return duration(found) if found else ""
