"""Links to MLflow's pages. Without `workflowType` MLflow opens its pages for language models."""

from urllib.parse import quote

VIEW = "workflowType=machine_learning"


def runs_page(server: str, experiment_id: str) -> str:
    """The runs of an experiment. server: its address, or empty for a link relative to it."""
    return _page(server, f"experiments/{experiment_id}/runs")


def run_page(server: str, experiment_id: str, run_id: str) -> str:
    return _page(server, f"experiments/{experiment_id}/runs/{run_id}")


def version_page(server: str, model: str, version: str) -> str:
    """A version of a registered model."""
    return _page(server, f"models/{quote(model, safe='')}/versions/{version}")


def picture(run_id: str, path: str) -> str:
    """An artifact of a run as a picture on the run's own page."""
    return f"get-artifact?path={quote(path, safe='')}&run_uuid={run_id}"


def _page(server: str, path: str) -> str:
    root = f"{server.rstrip('/')}/" if server else ""
    return f"{root}#/{path}?{VIEW}"
