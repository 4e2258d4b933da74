"""The verbs `runs`, `runs rm` and `runs prune`."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from preimage.cli import complete
from preimage.cli.options import RootOption, root_folder
from preimage.cli.plain_json import print_json
from preimage.cli.screen import line, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preimage.housekeeping.listing import RunEntry
    from preimage.housekeeping.take import Item

app = typer.Typer(help="List runs, and remove what nobody needs.")
COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "unreadable": "red"}


class State(StrEnum):
    """States of a run, as `housekeeping.listing` names them."""

    FINISHED = "finished"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    HALF_REMOVED = "half removed"
    UNREADABLE = "unreadable"


class Kind(StrEnum):
    """What `prune` removes, as `housekeeping.prune` names it."""

    CHECKPOINTS = "checkpoints"
    DATASETS = "datasets"
    SUBMISSIONS = "submissions"
    TEMPORARY = "temporary"
    RAY = "ray"


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Also the runs of pipelines' steps and studies' trials.")
    ] = False,
    job: Annotated[
        list[str] | None, typer.Option(help="Only this kind of job, such as train-gan; repeatable.")
    ] = None,
    state: Annotated[list[State] | None, typer.Option(help="Only these; repeatable.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many, the newest.")
    ] = None,
    size: Annotated[
        bool | None,
        typer.Option(
            "--size/--no-size",
            help="Show what each takes: by default of local results, since elsewhere that is slow.",
        ),
    ] = None,
    as_json: AsJson = False,
    results: RootOption = None,
) -> None:
    """List runs, the newest last: how far each is, what came out, what it takes.

    The runs of a pipeline's steps and of a study's trials count with it;
    --all, --job and --state show them too. A run is finished, running,
    interrupted (run its spec again to resume it), failed, half removed, or
    unreadable.

    Example: preimage runs --state running --state failed
    """
    if context.invoked_subcommand:
        return
    from preimage.housekeeping.listing import list_runs

    root = root_folder(results)
    found = list_runs(
        root,
        every=every or bool(job or state),
        jobs=job or (),
        states=[each.value for each in state or ()],
        limit=limit,
        sizes=size,
    )
    if as_json:
        print_json({"root": root.uri, "runs": [each.plain() for each in found]})
    elif found:
        _show(found)
    else:
        line(Console(), f"no such runs under {root.uri}" if job or state else f"no runs under {root.uri}")


@app.command()
def rm(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Runs, by name, folder or MLflow run id.", metavar="RUN...", autocompletion=complete.runs
        ),
    ],
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="Also remove whatever needs them.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    results: RootOption = None,
) -> None:
    """Remove runs, after showing what would go. A pipeline goes with its steps, a study with its trials.

    A run that another one needs stays, and so does one that is running.
    Prepared images, submissions and what MLflow recorded are not touched.

    Example: preimage runs rm study-3f2a9c01bd --dry-run
    """
    from preimage.housekeeping import remove

    root = root_folder(results)
    plan = remove.with_sizes(remove.plan_removal(root, names, with_dependents))
    console = Console(stderr=as_json)
    _show_items(console, plan.items)
    _show_kept(console, plan.kept)
    if dry_run or not _agreed(console, yes):
        _report(as_json, [], plan.items, plan.kept)
        return
    stayed = [(item.folder.name, why) for item, why in remove.remove(plan)]
    _show_kept(console, stayed)
    kept = {name for name, _ in stayed}
    gone = [each for each in plan.items if each.folder.name not in kept]
    line(console, f"removed {len(gone)} run{'' if len(gone) == 1 else 's'}, {_total(gone)}")
    if plan.recorded:
        line(console, "what MLflow recorded of them stays there: delete it on its page (preimage ui)")
    _report(as_json, gone, [], [*plan.kept, *stayed])


@app.command()
def prune(
    kinds: Annotated[
        list[Kind] | None,
        typer.Argument(help="What to remove; by default all of these.", metavar="[KIND]..."),
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=0, help="Only what was last written so many days ago.", metavar="DAYS")
    ] = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    results: RootOption = None,
) -> None:
    """Remove what no run needs, after showing it. No result goes.

    checkpoints: of finished runs, unless another run resumes from them.
    datasets: prepared images that no run uses. submissions: that ended, and
    of which a later one is of the same plan, or that are older than 30 days.
    temporary: files that killed processes were writing. ray: what Ray left in
    finished runs. Removals that were interrupted are finished too.

    Example: preimage runs prune checkpoints --older-than 7
    """
    from preimage.housekeeping import prune as pruning
    from preimage.readable import DAY

    root, console = root_folder(results), Console(stderr=as_json)
    wanted = [each.value for each in kinds or Kind]
    plan = pruning.plan_prune(root, wanted, older_than * DAY)
    _show_items(console, plan.items)
    _show_kept(console, plan.kept)
    if not plan.items:
        days = f"{older_than:g} day{'s'[: older_than != 1]}"
        line(console, f"nothing to remove under {root.uri} that is older than {days}")
    if not plan.items or dry_run or not _agreed(console, yes):
        _report(as_json, [], plan.items, plan.kept)
        return
    stayed = pruning.prune(plan)
    _show_kept(console, [(item.address, why) for item, why in stayed])
    left = {id(item) for item, _ in stayed}
    gone = [each for each in plan.items if id(each) not in left]
    line(console, f"removed {_total(gone)}")
    _report(as_json, gone, [], [*plan.kept, *((item.address, why) for item, why in stayed)])


def _show(found: "list[RunEntry]") -> None:
    from preimage.housekeeping.listing import age, depth
    from preimage.readable import ago, duration
    from preimage.readable import size as size_text

    shown = {each.name: each for each in found}
    sized = any(each.bytes is not None for each in found)
    rows: list[list[str | Text]] = []
    for each in found:
        row: list[str | Text] = [
            f"{'  ' * depth(each, shown)}{each.name}",
            each.title,
            _kind(each),
            _state(each),
        ]
        row.append(duration(each.seconds) if each.seconds else "-")
        if sized:
            row.append("-" if each.bytes is None else size_text(each.bytes))
        row += [ago(age(each.created)) if each.created else "-", _result(each)]
        rows.append(row)
    header = ["run", "name", "job", "state", "worked", *(["size"] if sized else []), "created", "result"]
    table(Console(), rows, header)


def _kind(each: "RunEntry") -> str:
    what = "trial" if each.job == "study" else "step"
    return f"{each.job} ({len(each.parts)} {what}{'s'[: len(each.parts) != 1]})" if each.parts else each.job


def _state(each: "RunEntry") -> Text:
    share = f" {each.progress:.0%}" if each.progress is not None else ""
    return Text(each.state + share, COLOURS.get(each.state, "yellow"))


def _result(each: "RunEntry") -> str:
    from preimage.readable import number

    if each.headline:
        return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in each.headline.items())
    return each.why


def _show_items(console: Console, items: "Sequence[Item]") -> None:
    from preimage.readable import size

    rows = [(each.kind, each.address, size(each.bytes or 0), each.why) for each in items]
    if rows:
        table(console, rows, ("what", "where", "size", ""))
        line(console, f"{len(items)} in all, {_total(items)}")


def _show_kept(console: Console, kept: "Sequence[tuple[str, str]]") -> None:
    for what, why in kept:
        line(console, ("stays: ", "yellow"), f"{what}: {why}")


def _agreed(console: Console, yes: bool) -> bool:
    """Whether the user wants it. Raises PreimageError if there is nobody to ask."""
    if yes:
        return True
    if not sys.stdin.isatty():
        from preimage.errors import PreimageError

        raise PreimageError("nothing was removed: no terminal to ask on; give --yes or --dry-run")
    if typer.confirm("remove?", err=console.stderr):
        return True
    line(console, "nothing was removed")
    return False


def _total(items: "Sequence[Item]") -> str:
    from preimage.readable import size

    return size(sum(each.bytes or 0 for each in items))


def _report(
    as_json: bool, gone: "Sequence[Item]", would: "Sequence[Item]", kept: "Sequence[tuple[str, str]]"
) -> None:
    """Print what went, what would go, and what stays, if it is asked for as JSON."""
    if as_json:
        found: dict[str, Any] = {"removed": [_plain(each) for each in gone]}
        found |= {"would_remove": [_plain(each) for each in would]} if would else {}
        print_json(found | {"kept": [{"what": what, "why": why} for what, why in kept]})


def _plain(item: "Item") -> dict[str, Any]:
    return {"kind": item.kind, "address": item.address, "bytes": item.bytes or 0, "why": item.why}
