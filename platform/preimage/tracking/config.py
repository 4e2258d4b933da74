"""Where runs are recorded."""

import os

from pydantic import field_validator

from preimage.config import Config
from preimage.errors import TrackingError
from preimage.storage.credentials import refusal


class TrackingConfig(Config):
    """Where runs are recorded. Never part of a fingerprint."""

    uri: str = "auto"
    """`auto`, the server that MLFLOW_TRACKING_URI names, or else `local`; `local`, MLflow in a SQLite file
    under the results; `jsonl`; `none`; or any MLflow tracking URI."""
    experiment: str = "preimage"
    """The MLflow experiment of the runs."""

    @property
    def here(self) -> "TrackingConfig":
        """This config with `auto` resolved for this process.

        Raises TrackingError if MLFLOW_TRACKING_URI carries a password.
        """
        if self.uri != "auto":
            return self
        uri = os.environ.get("MLFLOW_TRACKING_URI") or "local"
        if problem := refusal(uri):
            raise TrackingError(f"MLFLOW_TRACKING_URI: {problem}")
        return self.model_copy(update={"uri": uri})

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str) -> str:
        if problem := refusal(uri):
            raise ValueError(problem)
        if uri not in ("auto", "local", "jsonl", "none") and ":" not in uri:
            raise ValueError(
                "must be auto, local, jsonl, none, or an MLflow URI such as http://127.0.0.1:5000"
            )
        return uri
