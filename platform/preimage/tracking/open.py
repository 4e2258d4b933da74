"""Open the tracker that a spec names."""

from preimage.errors import TrackingError
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.tracker import JsonLines, NoTracker, Tracker


def open_tracker(config: TrackingConfig, root: Folder) -> Tracker:
    """The tracker that a spec names. Raises TrackingError if it does not answer."""
    config = config.here
    if config.uri == "none":
        return NoTracker()
    if config.uri == "jsonl":
        return JsonLines(root / "tracking")
    require_recordable(config, root)
    from preimage.tracking.on_mlflow import MlflowTracker  # 3 seconds to import

    return MlflowTracker(config, root)


def require_recordable(config: TrackingConfig, root: Folder) -> None:
    """Raise TrackingError for MLflow in a SQLite file, where the results' storage cannot hold one."""
    if config.uri == "local" and not root.is_local:
        raise TrackingError(
            f"the results are at {root.uri}, which cannot hold a SQLite file: name an MLflow server with "
            "tracking.uri=http://..., or choose tracking.uri=jsonl or none"
        )
