"""Open the tracker that a spec names."""

from functools import cached_property
from typing import Any, cast

from preimage.errors import TrackingError
from preimage.extras import require
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_address import home_of
from preimage.tracking.tracker import JsonLines, NoTracker, Tracker


def open_tracker(config: TrackingConfig, root: Folder) -> Tracker:
    """The tracker that a spec names. Raises TrackingError if it does not answer."""
    config = config.here
    if config.uri == "none":
        return NoTracker()
    if config.uri == "jsonl":
        return JsonLines(root / "tracking")
    require_recordable(config, root)
    require(f"recording in MLflow (tracking.uri={config.uri})", "mlflow", kind=TrackingError)
    from preimage.tracking.on_mlflow import MlflowTracker  # 3 seconds to import

    return MlflowTracker(config, root)


def require_recordable(config: TrackingConfig, root: Folder) -> None:
    """Raise TrackingError for MLflow in a SQLite file, where the results' storage cannot hold one."""
    if config.uri == "local" and not root.is_local:
        raise TrackingError(
            f"the results are at {root.uri}, which cannot hold a SQLite file: name an MLflow server with "
            "tracking.uri=http://..., or choose tracking.uri=jsonl or none"
        )


def opened_later(config: TrackingConfig, root: Folder) -> Tracker:
    """The same, opened when it is first asked for more than its home, which tells what it has received.

    Any call may raise what `open_tracker` does.
    """
    config = config.here
    if config.uri in ("none", "jsonl") or (config.uri == "local" and not root.is_local):
        return open_tracker(config, root)
    return cast(Tracker, _OpenedLater(config, root))


class _OpenedLater:
    def __init__(self, config: TrackingConfig, root: Folder) -> None:
        self._config, self._root = config, root
        self.home = home_of(config, root)

    @cached_property
    def _opened(self) -> Tracker:
        return open_tracker(self._config, self._root)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)
