"""The verbs `ui` and `doctor`."""

from typing import Annotated

import typer
from rich.console import Console

from preimage.cli.options import RootOption, root_folder
from preimage.cli.screen import line
from preimage.storage.address import command

LOCAL_HOSTS = "localhost,localhost:*,127.0.0.1,127.0.0.1:*"
"""The host names that MLflow answers to, also through a tunnel. MLflow's own list has `10.*` and others,
which also match names like 10.example.com: a page under such a name could make a browser read ours."""


def ui(
    results: RootOption = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Anyone who can reach it can read and write: use 0.0.0.0 only on "
            "networks that you trust. MLflow then answers at private addresses (10.*, 172.16-31.*, "
            "192.168.*); list any other address or a name in MLFLOW_SERVER_ALLOWED_HOSTS=NAME:PORT."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Serve MLflow's pages of the results: runs, metrics, samples, files. Ctrl-C stops it."""
    import os
    import sys

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
            + command("preimage", "run", "jobs/demo.yaml", results=results)
        )
    _require_free(host, port)
    from preimage.tracking.mlflow_store import local_uri  # 3 seconds to import
    from preimage.tracking.on_mlflow import artifacts_uri, latest_runs

    address = f"http://{host}:{port}/{latest_runs(local_uri(root))}"
    line(Console(), f"MLflow starts in about ten seconds over {root.uri}; Ctrl-C stops it\n{address}")
    if host in ("127.0.0.1", "localhost"):
        os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", LOCAL_HOSTS)
    # 3 processes instead of 10, and no warnings about MLflow's own code
    os.environ.update(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", PYTHONWARNINGS="ignore")
    server = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(root)),
        *("--artifacts-destination", artifacts_uri(root), "--serve-artifacts"),
        *("--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]
    os.execv(server[0], server)


def _require_free(host: str, port: int) -> None:
    import socket

    from preimage.errors import TrackingError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingError(
                f"cannot listen on {host}:{port} ({error.strerror}): choose another --port, or "
                "give an address of this machine as --host"
            ) from error


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
