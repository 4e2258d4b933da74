"""ui and doctor."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

Results = Annotated[str, typer.Option(help="The results' folder.")]


def ui(
    results: Results = "results",
    host: Annotated[
        str, typer.Option(help="Address to listen on; anyone who reaches it can read and write.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open MLflow's pages over the results: runs, metrics, grids of samples, files. Ctrl-C ends it."""
    import os
    import sys

    from preimage.errors import TrackingError
    from preimage.storage import Folder
    from preimage.tracking.on_mlflow import artifacts_uri, local_uri

    root = Folder.at(results)
    if not (root.local / "mlflow.db").exists():
        raise TrackingError(
            f"{root.uri} holds no MLflow store yet; run something first: preimage run jobs/demo.yaml"
        )
    Console().print(f"MLflow on http://{host}:{port} over {root.uri}; Ctrl-C ends it", highlight=False)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # 3 processes instead of 10
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(root)),
        *("--artifacts-destination", artifacts_uri(root), "--serve-artifacts"),
        *("--host", host, "--port", str(port), "--workers", "1"),
    ]
    os.execv(command[0], command)


def doctor(results: Results = "results") -> None:
    """Check this machine: versions, Ray, GPU, memory, disk, datasets; and say what to mend."""
    from preimage.cli.doctor import examine

    console = Console()
    table = Table("what", "found", "to do", box=None, pad_edge=False)
    findings = list(examine(results))
    for finding in findings:
        table.add_row(finding.what, finding.found, finding.remedy or "")
    console.print(table)
    wrong = sum(finding.remedy is not None for finding in findings)
    console.print(f"\n{wrong} to mend" if wrong else "\nall is well")
    raise typer.Exit(1 if wrong else 0)
