"""All verbs in one app, and how errors are shown."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from preimage.cli import data, generator, machine, run, runs, store, study, submit
from preimage.cli import submissions as jobs
from preimage.cli.screen import LogLines, line
from preimage.errors import PreimageError

app = typer.Typer(
    name="preimage",
    help="Train image generators, find the codes behind images, measure both; on a laptop or a cluster.",
    epilog="Start with: preimage run jobs/demo.yaml — then see the results with: preimage ui",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(run.plan)
app.command()(run.schema)
app.add_typer(data.app, name="data")
app.add_typer(generator.app, name="generator")
app.add_typer(store.app, name="store")
app.add_typer(study.app, name="study")
app.add_typer(runs.app, name="runs")
app.command()(machine.ui)
app.command()(machine.doctor)
CLUSTER = "On a cluster"
app.command(rich_help_panel=CLUSTER)(submit.submit)
app.command(rich_help_panel=CLUSTER)(jobs.jobs)
app.command(rich_help_panel=CLUSTER)(jobs.status)
app.command(rich_help_panel=CLUSTER)(jobs.logs)
app.command(rich_help_panel=CLUSTER)(jobs.stop)


def main() -> None:
    """Run a verb. An error that the user can fix is one message and exit code 2, never a traceback."""
    errors = Console(stderr=True)
    logging.basicConfig(format="%(message)s", handlers=[LogLines(errors)])
    with _errors_shown(errors), _output_captured(), _errors_shown(errors):
        app()


@contextmanager
def _errors_shown(errors: Console) -> Iterator[None]:
    try:
        yield
    except PreimageError as error:
        line(errors, ("error:", "bold red"), f" {error}")
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
