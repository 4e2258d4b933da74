"""The verbs, gathered, and how mistakes are shown."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from preimage.cli import data, machine, run, store, study, submit
from preimage.cli import submissions as jobs
from preimage.errors import PreimageError

app = typer.Typer(
    name="preimage",
    help="Image generators and the codes behind images: train, invert, measure; on a laptop or a cluster.",
    epilog="Begin with: preimage run jobs/demo.yaml — then preimage ui, to look at what it did.",
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
app.add_typer(store.app, name="store")
app.add_typer(study.app, name="study")
app.command()(machine.ui)
app.command()(machine.doctor)
CLUSTER = "On a cluster"
app.command(rich_help_panel=CLUSTER)(submit.submit)
app.command(rich_help_panel=CLUSTER)(jobs.jobs)
app.command(rich_help_panel=CLUSTER)(jobs.status)
app.command(rich_help_panel=CLUSTER)(jobs.logs)
app.command(rich_help_panel=CLUSTER)(jobs.stop)


def main() -> None:
    """Run a verb. A mistake the user can mend is one message and exit code 2, never a traceback."""
    errors = Console(stderr=True)
    logging.basicConfig(
        format="%(message)s", handlers=[RichHandler(console=errors, show_path=False, show_time=False)]
    )
    with _told(errors), _attended(), _told(errors):
        app()


@contextmanager
def _told(errors: Console) -> Iterator[None]:
    try:
        yield
    except PreimageError as error:
        errors.print(f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)


@contextmanager
def _attended() -> Iterator[None]:
    """In a submitted job: what is printed is kept beside the results."""
    if "PREIMAGE_SUBMISSION" not in os.environ:  # asked here, for its reader takes long to import
        yield
        return
    from preimage.cluster.log_capture import attended

    with attended():
        yield
