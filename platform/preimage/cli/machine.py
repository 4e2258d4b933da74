"""The verbs `ui` and `doctor`."""

from typing import Annotated

import typer
from rich.console import Console

from preimage.cli import complete
from preimage.cli.listening import require_free
from preimage.cli.options import RootOption, root_folder
from preimage.cli.screen import line
from preimage.storage.address import command


def ui(
    study: Annotated[
        str | None,
        typer.Argument(
            help="With --optuna: a study whose page the address leads to, by its name, its folder or its "
            "MLflow run id.",
            metavar="STUDY",
            autocompletion=complete.studies,
        ),
    ] = None,
    optuna: Annotated[
        bool,
        typer.Option(
            "--optuna",
            help="Serve Optuna's dashboard of the studies instead, with the samples of trials, also while "
            "they run. It changes nothing.",
        ),
    ] = False,
    results: RootOption = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Anyone who can reach MLflow can read and write: use 0.0.0.0 only on "
            "networks that you trust. Pages are then served at private addresses (10.*, 172.16-31.*, "
            "192.168.*); list any other address or a name in MLFLOW_SERVER_ALLOWED_HOSTS=NAME:PORT."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on. Default: 5000; with --optuna 8080.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve MLflow's pages of the results: runs, metrics, samples, files. Ctrl-C stops it."""
    from preimage.errors import SpecError

    if optuna:
        _optuna_ui(study, results, host, port or 8080)
    elif study:
        raise SpecError(f"only Optuna's dashboard opens at a study: preimage ui --optuna {study}")
    else:
        _mlflow_ui(results, host, port or 5000)


def _optuna_ui(study: str | None, results: str | None, host: str, port: int) -> None:
    from preimage.errors import SpecError

    root, name = root_folder(results), None
    names = [each for each in (root / "runs").names() if each.startswith("study-")]
    if study in names:
        name = study
    elif study:
        from preimage.tuning.annotate import find_study  # takes seconds, and half a gigabyte

        found = find_study(study, root)
        root, name = found.root, found.run.name
    elif not names:
        raise SpecError(
            f"{root.uri} has no study yet. Run one first: "
            + command("preimage", "run", "learning-rates-gan", results=results)
        )
    require_free(host, port)
    from preimage.cli.read_only_pages import serve
    from preimage.tuning.all_studies import AllStudies
    from preimage.tuning.dashboard import dashboard, page_of

    runs = root / "runs"
    studies = AllStudies(runs)
    address = f"http://{host}:{port}/{page_of(studies, name)}"
    line(Console(), f"Optuna's dashboard shows the studies of {root.uri}; Ctrl-C stops it\n{address}")
    serve(dashboard(studies, runs), host, port)


def _mlflow_ui(results: str | None, host: str, port: int) -> None:
    import os
    import sys

    from preimage.cli.listening import HOSTS, LOCAL, LOCAL_HOSTS
    from preimage.errors import TrackingError

    root = root_folder(results)
    if not root.is_local:
        raise TrackingError(
            f"{root.uri} is not on this machine, and holds no MLflow store: open the pages of the server "
            "that tracking.uri or MLFLOW_TRACKING_URI names"
        )
    if not (root.local / "mlflow.db").exists():
        raise TrackingError(
            f"{root.uri} has no MLflow store yet. Run something first: "
            + command("preimage", "run", "demo", results=results)
        )
    require_free(host, port)
    from preimage.tracking.mlflow_address import local_uri
    from preimage.tracking.on_mlflow import artifacts_uri, latest_runs

    address = f"http://{host}:{port}/{latest_runs(local_uri(root))}"
    line(Console(), f"MLflow starts in about ten seconds over {root.uri}; Ctrl-C stops it\n{address}")
    if host in LOCAL:
        os.environ.setdefault(HOSTS, LOCAL_HOSTS)
    # 3 processes instead of 10, and no warnings about MLflow's own code
    os.environ.update(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", PYTHONWARNINGS="ignore")
    server = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(root)),
        *("--artifacts-destination", artifacts_uri(root), "--serve-artifacts"),
        *("--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]
    os.execv(server[0], server)


def doctor(results: RootOption = None) -> None:
    """Check this machine's versions, GPU, memory, disk, Ray and datasets, and which formats the results have;
    say what to fix.

    The exit code is 1 if there is something to fix.
    """
    from preimage.cli.doctor import examine

    console = Console()
    findings = list(examine(results))
    for each in findings:
        line(console, f"{each.what:<18} {each.found}")
        if each.remedy:
            line(console, f"{'':<18} ", ("to do: ", "bold"), each.remedy)
    wrong = sum(finding.remedy is not None for finding in findings)
    console.print(f"\n{wrong} to fix" if wrong else "\nall is well")
    raise typer.Exit(1 if wrong else 0)
