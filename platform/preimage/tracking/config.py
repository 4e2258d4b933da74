"""Where runs are recorded."""

import os

from pydantic import field_validator

from preimage.config import Config
from preimage.errors import TrackingError
from preimage.storage.credentials import refusal


class TrackingConfig(Config):
    """Where runs are recorded. Never part of a fingerprint."""

    uri: str = "auto"
    """`auto` is the server that MLFLOW_TRACKING_URI names, else `local`; `local` is MLflow in a SQLite file
    under the results; any MLflow tracking URI; `jsonl`; `none`."""
    experiment: str = "preimage"
    """The MLflow experiment that the runs go to."""

    @property
    def here(self) -> "TrackingConfig":
        """The same with `auto` replaced by what it means in this process.

        Raises TrackingError where MLFLOW_TRACKING_URI carries a password.
        """
        if self.uri != "auto":
            return self
        uri = os.environ.get("MLFLOW_TRACKING_URI") or "local"
        if said := refusal(uri):
            raise TrackingError(f"MLFLOW_TRACKING_URI: {said}")
        return self.model_copy(update={"uri": uri})

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str) -> str:
        if said := refusal(uri):
            raise ValueError(said)
        if uri not in ("auto", "local", "jsonl", "none") and ":" not in uri:
            raise ValueError(
                "must be auto, local, jsonl, none, or an MLflow URI such as http://127.0.0.1:5000"
            )
        return uri
