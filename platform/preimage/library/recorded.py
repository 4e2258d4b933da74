"""Where a submitted job records its runs: its own environment decides, not the submitting machine's."""

import os
from collections.abc import Collection

from preimage.pipelines.planned import Planned
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.open import require_recordable

MLFLOW = "MLFLOW_TRACKING_URI"


def where_recorded(planned: Planned, env: Collection[str] = ()) -> str:
    """Where the job will record its runs, in words, as far as this machine can know.

    env: names of the variables that are passed to the job. Raises TrackingError if it could not record there.
    """
    config = TrackingConfig.model_validate(planned.resolved["tracking"])
    if config.uri == "auto" and MLFLOW in env:
        require_recordable(config.here, planned.root)  # `here` refuses an address with a password
        place = f"the {MLFLOW} that is passed to the job"
    elif config.uri == "auto":
        place = _by_the_cluster(planned.root)
    else:
        require_recordable(config, planned.root)
        place = _in_words(config.uri, planned.root)
    return f"{place}, experiment {config.experiment}"


def _by_the_cluster(root: Folder) -> str:
    otherwise = _in_words("local", root) if root.is_local else "nowhere: the job is refused without one"
    unused = f" (yours is not passed: --env {MLFLOW} would)" if os.environ.get(MLFLOW) else ""
    return f"the cluster's {MLFLOW}{unused}, or else {otherwise}"


def _in_words(uri: str, root: Folder) -> str:
    return f"MLflow in {root / 'mlflow.db'}" if uri == "local" else uri
