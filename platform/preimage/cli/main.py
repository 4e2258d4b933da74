"""All verbs in one app, and how errors are shown."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from preimage._version import __version__
from preimage.cli import (
    browse,
    completion,
    data,
    generator,
    html_report,
    machine,
    run,
    runs,
    specs,
    store,
    study,
    submit,
)
from preimage.cli import submissions as jobs
from preimage.cli.output import BROKEN_PIPE, checked_output
from preimage.cli.screen import NARROW, LogLines, line
from preimage.cli.usage import USAGE_ERROR, completed, mistake
from preimage.errors import OutputError, PreimageError
from preimage.extras import of_module, sentence

app = typer.Typer(
    name="preimage",
    help="Train image generators, find the codes behind images, measure both; on a laptop or a cluster.",
    epilog="Start with: preimage run demo — then see the results with: preimage ui",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(run.plan)
app.command()(specs.specs)
app.command()(specs.copy)
app.command()(run.schema)
app.add_typer(data.app, name="data")
app.add_typer(generator.app, name="generator")
app.add_typer(store.app, name="store")
app.add_typer(study.app, name="study")
app.add_typer(runs.app, name="runs")
app.command()(browse.browse)
app.command()(html_report.report)
app.command()(machine.ui)
app.command()(machine.doctor)
app.command()(completion.completion)
CLUSTER = "On a cluster"
app.command(rich_help_panel=CLUSTER)(submit.submit)
app.command(rich_help_panel=CLUSTER)(jobs.jobs)
app.command(rich_help_panel=CLUSTER)(jobs.status)
app.command(rich_help_panel=CLUSTER)(jobs.logs)
app.command(rich_help_panel=CLUSTER)(jobs.stop)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"preimage {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a verb. An error that the user can fix is one message and exit code 2, never a traceback."""
    if completion.VARIABLE in os.environ:
        completion.register()
    try:
        with checked_output():
            errors = Console(stderr=True)
            logging.basicConfig(format="%(message)s", handlers=[LogLines(errors)])
            with _errors_shown(errors), _output_captured(), _errors_shown(errors):
                sys.exit(_run(completed(sys.argv[1:])))
    except OutputError as error:
        if not error.reader_left:
            with checked_output():
                line(Console(stderr=True), ("error:", "bold red"), f" {error}")
        sys.exit(BROKEN_PIPE if error.reader_left else 1)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """The options of `preimage` itself."""


def _run(words: list[str]) -> int:
    """The exit code of a command line."""
    width = Console().width
    narrow = width < NARROW  # then panels would cut what they hold
    app.rich_markup_mode = None if narrow else "rich"
    settings = {"terminal_width": width} if narrow else {}
    try:
        return app(words, prog_name="preimage", standalone_mode=False, **settings) or 0
    except USAGE_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.message, end="")  # empty if the panels of the help are already shown
        else:
            line(Console(stderr=True), ("error:", "bold red"), f" {mistake(error)}")
        return 2
    except typer.Abort:
        return 1


@contextmanager
def _errors_shown(errors: Console) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except PreimageError as error:
        line(errors, ("error:", "bold red"), f" {error}")
        sys.exit(2)
    except ModuleNotFoundError as error:
        package = of_module(error.name)
        if not package:
            raise
        verb = " ".join(["preimage", *(word for word in sys.argv[1:3] if word.isalpha())])
        line(errors, ("error:", "bold red"), f" {sentence(verb, [package])}")
        sys.exit(2)


@contextmanager
def _output_captured() -> Iterator[None]:
    """In a submitted job, keep its output beside the results."""
    if "PREIMAGE_SUBMISSION" not in os.environ:  # checked here: log_capture is slow to import
        yield
        return
    from preimage.cluster.log_capture import capture_output

    with capture_output():
        yield
