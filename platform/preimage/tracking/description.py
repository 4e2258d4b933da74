"""The text at the top of a run's page: what it is, what came out, and how to run it again."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from preimage.cluster.submissions import Submission
from preimage.readable import number
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.address import command
from preimage.tracking.pages import picture
from preimage.tracking.tracker import Status

REASON = 1_000
"""Characters of why a run failed."""
NOTE = "mlflow.note.content"
"""MLflow's tag for this text, in Markdown."""
LONGEST = 7_950
"""Characters; MLflow keeps 8,000 of a tag."""
FIRST = ("gallery", "samples", "reconstructions")
"""The figures that are shown, if there are any; or else the first of all."""
MOST = 3
"""Figures in a description."""
SMALL = "figures/small"
"""Where a run in the tracker has them in a size that fits: MLflow's pages do not shrink pictures."""
STATES = {
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped before its end",
}


def description(
    run: RunFolder,
    known: Mapping[str, Any],
    run_id: str,
    *,
    status: Status,
    why: str = "",
    outcome: Outcome | None = None,
    submission: Submission | None = None,
) -> str:
    """A run's description in Markdown; short while there is no outcome.

    known: its run.json. run_id: in the tracker. why: it ended without an outcome.
    """
    what = what_of(known)
    state = f" **{STATES[status].capitalize()}**" + (f": {why[:REASON]}" if why else ".")
    head = [what if outcome else what + state]
    if outcome:
        shown = (f"{SMALL}/{name}.png" for name in pictures(outcome))
        head += [_metrics(outcome), *(f"![]({picture(run_id, each)})" for each in shown)]
    foot = [*_steps(run, known), *_how(run, known, submission)]
    table = list(_table(run, outcome))
    room = LONGEST - len("\n\n".join([*head, *foot, ""])) - 2
    text = "\n\n".join([*head, *_cut(table, room), *foot])
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition("\n")[0] + "\n\n*…*"


def what_of(known: Mapping[str, Any]) -> str:
    """What a run is, in one sentence. known: its run.json."""
    return known.get("what") or f"A run of the job {known['job']}."


def again(run: RunFolder) -> str:
    """The command that runs it again, or resumes it."""
    return command("preimage", "run", run.name, results=run.folder.parent.parent.uri)


def _metrics(outcome: Outcome) -> str:
    return " · ".join(f"{name} **{number(value)}**" for name, value in outcome.headlines.items())


def pictures(outcome: Outcome) -> list[str]:
    """The names of the figures that the description of a finished run shows."""
    known = [name for name in outcome.figures if not name.endswith((".md", ".html"))]
    telling = [name for name in known if name.rpartition(".")[2] in FIRST]
    return telling[:MOST] or known[:1]


def _steps(run: RunFolder, known: Mapping[str, Any]) -> Iterator[str]:
    """A pipeline's steps, each with its run."""
    rows = []
    for step, name in known.get("steps", {}).items():
        about = RunFolder(run.folder.parent / name).about_or_none() or {}
        page, title = about.get("mlflow_page"), about.get("title") or step
        rows.append(f"| {f'[{title}]({page})' if page else title} | `{name}` |")
    if rows:
        yield "\n".join(["| step | run |", "|---|---|", *rows])


def _how(run: RunFolder, known: Mapping[str, Any], submission: Submission | None) -> Iterator[str]:
    yield f"Run it again, or resume it: `{again(run)}`. With other settings: add `KEY=VALUE`."
    if made := known.get("made_by"):
        yield f"Made by: {made}"
    yield f"Everything it left: `{run.folder.uri}`; its versions and digests: *Artifacts*, provenance.json."
    if submission:
        commit = submission.record.get("git_commit") or "no commit"
        yield (
            f"Submission **{submission.id}** by {submission.record['user']}: [its page in "
            f"Ray]({submission.page}), its output in `{submission.logs.uri}`, its code ({commit}) under "
            "*Artifacts*, submissions."
        )


def _table(run: RunFolder, outcome: Outcome | None) -> Iterator[str]:
    """The lines of a job's table."""
    if outcome and outcome.job != "pipeline" and (text := run.figures.find("table.md")):
        lines = text.decode().rstrip().splitlines()
        yield from (line for line in lines if not line.startswith("Made by: "))  # said below


def _cut(lines: Iterable[str], room: int) -> list[str]:
    """As many whole lines as fit, as one paragraph, and a word about the others."""
    lines, kept = list(lines), []
    said = "*{} more lines: Artifacts, figures/table.md.*"
    for line in lines:
        if sum(len(each) + 1 for each in (*kept, line)) + len(said) + 10 > room:
            break
        kept.append(line)
    left = len(lines) - len(kept)
    return ["\n".join(kept), *([said.format(left)] if left else [])] if lines else []
