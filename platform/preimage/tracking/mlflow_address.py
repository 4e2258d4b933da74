"""Where MLflow's store is, without MLflow, which takes seconds to import."""

import re
from urllib.parse import quote

from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig


def local_uri(root: Folder) -> str:
    """The SQLite store of local results, with what SQLAlchemy would read otherwise escaped."""
    path = str(root.local / "mlflow.db")
    return "sqlite:///" + re.sub(r"%(?=[0-9A-Fa-f]{2})|\?", lambda found: quote(found[0]), path)


def address_of(config: TrackingConfig, root: Folder) -> str:
    """The store of a config whose `uri` names one."""
    return local_uri(root) if config.uri == "local" else config.uri


def home_of(config: TrackingConfig, root: Folder) -> str:
    """What `Tracker.home` of the store's tracker is."""
    return f"{address_of(config, root)} {config.experiment}"
