"""MLflow's stores: where they are, and what their failures mean."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from socket import gaierror

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from preimage.errors import TrackingError
from preimage.storage.address import command
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_address import address_of

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # it would retry for minutes; the mirror retries by itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # it would copy the working folder's uv.lock into every model
}


def store_uri(config: TrackingConfig, root: Folder) -> str:
    """The store of a config whose `uri` names one, for a process that now uses MLflow as we do."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return address_of(config, root)


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Raise TrackingError for what MLflow raises."""
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        raise TrackingError(f"{_what(uri, error)}. {_remedy(uri, error)}") from error


def _what(uri: str, error: Exception) -> str:
    if unreached := _unreached(error):
        return f"no MLflow server answers at {uri} ({unreached})"
    return f"the MLflow store at {uri} does not answer as expected: {first_line(error)}"


def _unreached(error: BaseException | None) -> str | None:
    """Why a server was not reached, in the words of the operating system."""
    while error:
        if isinstance(error, ConnectionError | TimeoutError | gaierror) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return None


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]


def _remedy(uri: str, error: Exception) -> str:
    if "database schema" in str(error):
        upgrade = command("mlflow", "db", "upgrade", uri)
        return (
            f"Copy the database, then run `{upgrade}`; if that fails, a newer MLflow made it: install "
            "that one, name another store with tracking.uri, or choose tracking.uri=none."
        )
    return "Start it (preimage ui, or mlflow server), correct tracking.uri, or choose tracking.uri=none."
